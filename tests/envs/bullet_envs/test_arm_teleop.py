"""Driving the arm of bullet's worlds by hand."""

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet

from muse.envs.bullet_envs.block3d.block_env_3d import BlockEnv3D
from muse.envs.bullet_envs.panda import MODES
from muse.envs.env import EnvError, make
from muse.envs.teleop import TeleopInput
from muse.experiments.provenance import env_fingerprint, fingerprint_differences
from muse.testing import check_env
from muse.utils.attrdicts import flatten
from muse.utils.rotations import matrix_from_euler, turn_between

pytestmark = needs_pybullet


class Deep(BlockEnv3D):
    """Lets the hand push on the table."""

    hand_low = (0.29, -0.24, -0.1)


every_mode = pytest.mark.parametrize("mode", MODES)


def rows_of(obs):
    return {name: value[0] for name, value in flatten(obs).items()}


def drive(env, person, steps):
    for _ in range(steps):
        obs, _, _ = env.step(env.get_teleop_action(person))
    return rows_of(obs)


def along(env, seen, place, yaw, grip):
    """Returns what a person does who wants the hand somewhere: the farther, the faster."""
    way = 5.0 * (place - seen["ee_position"]) / env.default_teleop_speed
    turn = 5.0 * (yaw - seen["ee_orientation_eul"][2]) / env.default_teleop_turn_speed
    return TeleopInput((*way, 0.0, 0.0, turn), grip)


@every_mode
def test_a_block_is_grasped_and_lifted_by_directions_alone(mode):
    env = make(BlockEnv3D, d(task="lift", control_mode=mode))
    for seed in range(3):
        seen, solved = rows_of(env.reset(seed=seed)[0]), False
        block, yaw = seen["objects/position"][0], seen["objects/orientation_eul"][0, 2]
        for height, grip, steps in ((0.1, 0.0, 30), (0.0, 0.0, 15), (0.0, 1.0, 5), (0.15, 1.0, 15)):
            for _ in range(0 if solved else steps):
                person = along(env, seen, block + [0.0, 0.0, height], yaw, grip)
                obs, _, done = env.step(env.get_teleop_action(person))
                seen, solved = rows_of(obs), bool(done)
                if solved:
                    break
        assert env.is_success() and not seen["truncated"], seed


@every_mode
def test_speeds_are_those_of_the_options_about_the_axes_of_the_world(mode):
    env = make(BlockEnv3D, d(control_mode=mode, default_teleop_speed=0.1, default_teleop_turn_speed=0.5))
    seen = rows_of(env.reset(seed=0)[0])
    place = seen["ee_position"]
    seen = drive(env, TeleopInput((0.5, -1.0, 0.2, 0.0, 0.0, 1.0)), 10)
    np.testing.assert_allclose(seen["ee_position"], place + [0.05, -0.1, 0.02], atol=5e-4)
    np.testing.assert_allclose(seen["ee_orientation_eul"], [0, 0, 0.5], atol=3e-3)
    # About the world's x, wherever the fingers point.
    before = matrix_from_euler(seen["ee_orientation_eul"])
    seen = drive(env, TeleopInput((0.0, 0.0, 0.0, -1.0, 0.0, 0.0)), 6)
    np.testing.assert_allclose(turn_between(before, matrix_from_euler(seen["ee_orientation_eul"])), [-0.3, 0, 0], atol=3e-3)
    assert seen["gripper_pos"] < 5
    seen = drive(env, TeleopInput(grip=0.5), 8)
    assert seen["gripper_pos"] == pytest.approx(127.5, abs=1)


@every_mode
def test_let_go_the_hand_stays_and_at_an_edge_it_stops(mode):
    env = make(BlockEnv3D, d(control_mode=mode, default_teleop_speed=5.0, horizon=10**6))
    seen = rows_of(env.reset(seed=0)[0])
    np.testing.assert_allclose(drive(env, TeleopInput(), 100)["ee_position"], seen["ee_position"], atol=1e-3)
    up = TeleopInput((0.0, 0.0, 1.0, 0.0, 0.0, 0.0))
    # No faster than the arm.
    np.testing.assert_allclose(drive(env, up, 2)["ee_position"][2], seen["ee_position"][2] + 0.08, atol=1e-3)
    assert drive(env, up, 10)["ee_position"][2] == pytest.approx(0.4, abs=1e-3)
    action, leaf = env.get_teleop_action(TeleopInput((1.0,) * 6, 1.0))["action"][0], env.env_spec.leaf("action")
    assert (action >= leaf.low.astype(np.float32)).all() and (action <= leaf.high.astype(np.float32)).all()


@every_mode
def test_pressed_on_the_table_the_hand_comes_free_at_once(mode):
    env = make(Deep, d(control_mode=mode, horizon=10**6))
    env.reset(seed=0)
    pressed = drive(env, TeleopInput((0.0, 0.0, -1.0, 0.0, 0.0, 0.0), 1.0), 40)
    assert pressed["finger_left_contact"] == 1
    freed = drive(env, TeleopInput((0.0, 0.0, 1.0, 0.0, 0.0, 0.0), 1.0), 5)
    assert freed["ee_position"][2] > pressed["ee_position"][2] + 0.05


@pytest.mark.slow
@every_mode
def test_asking_changes_nothing(mode):
    check_env(BlockEnv3D, d(horizon=9, control_mode=mode), steps=12)


def test_before_an_episode_and_without_speed_it_is_refused():
    env = make(BlockEnv3D)
    with pytest.raises(EnvError, match="BlockEnv3D.get_teleop_action: no episode is running"):
        env.get_teleop_action(TeleopInput())
    env.reset(seed=0)
    with pytest.raises(EnvError, match="BlockEnv3D.get_teleop_action: not finite"):
        env.get_teleop_action(TeleopInput((np.nan,) * 6))
    for name in ("default_teleop_speed", "default_teleop_turn_speed"):
        with pytest.raises(EnvError, match=f"BlockEnv3D: {name}: 0.0; expected more than 0"):
            make(BlockEnv3D, {name: 0.0})
        first, other = (env_fingerprint(d(cls=BlockEnv3D, **{name: value})) for value in (0.1, 0.2))
        assert not fingerprint_differences(first, other)
