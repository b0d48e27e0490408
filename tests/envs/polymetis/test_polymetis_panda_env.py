"""The env of the Panda, its robot simulated: contract, arming, limits of actions, homing, sensors."""

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet

from muse.envs.bullet_envs.block3d.block_env_3d import BlockEnv3D
from muse.envs.bullet_envs.bodies import Part, add_body
from muse.envs.env import EnvError, make, make_env_spec
from muse.envs.polymetis.arm import HOMES
from muse.envs.polymetis.interface import ActionRefused, RobotError, RobotStopped
from muse.envs.polymetis.panda_spec import ACTION_SPACES
from muse.envs.polymetis.polymetis_panda_env import PolymetisPandaEnv
from muse.envs.polymetis.sensors import SimulatedCamera, WrenchSensor
from muse.envs.polymetis.simulated_panda_env import SimulatedPandaEnv
from muse.envs.teleop import TeleopInput
from muse.experiments.provenance import env_fingerprint, fingerprint_differences
from muse.testing import check_env
from muse.utils.attrdicts import flatten

START = d(joint_positions=np.array([0.1, -0.1876, 0.0, -2.4949, 0.0, 2.3074, 0.7854, 0.02, 0.02]))
CAMERAS = d(camera=d(cls=SimulatedCamera, img_width=16, img_height=12), ego_camera=d(cls=SimulatedCamera, at_wrist=True))


@pytest.fixture
def new():
    envs = []

    def build(**options):
        envs.append(make(SimulatedPandaEnv, d(**options)))
        return envs[-1]

    yield build
    for env in envs:
        env.close()


def act(*values):
    return d(action=np.array([values], np.float32))


def run(env, action, steps):
    for _ in range(steps):
        obs, _, done = env.step(action)
    return {name: value[0] for name, value in flatten(obs).items()} | {"done": done}


@needs_pybullet
@pytest.mark.parametrize("space", ACTION_SPACES)
def test_contract(space):
    extra = CAMERAS if space == "joint" else d()
    check_env(SimulatedPandaEnv, d(horizon=5, action_space=space) & extra, presets=[START], steps=7)


def test_the_spec_is_known_without_any_back_end_and_is_that_of_bullet_where_the_same_is_meant():
    spec, bullet = (
        make_env_spec(PolymetisPandaEnv, d(action_space="ee-euler-delta")),
        make_env_spec(BlockEnv3D, d(control_mode="delta_pose")),
    )
    shared = set(spec.observation_names) & set(bullet.observation_names)
    assert shared == {
        "ee_position", "ee_orientation_eul", "ee_velocity", "ee_angular_velocity", "joint_positions", "gripper_pos", "gripper_tip_pos",
    }  # fmt: skip
    for name in (*shared, "action"):
        assert spec.leaf(name).shape == bullet.leaf(name).shape and spec.leaf(name).unit == bullet.leaf(name).unit, name
    np.testing.assert_allclose(spec.leaf("action").high, bullet.leaf("action").high, rtol=0.05)
    for ours, theirs in (("ee-euler", "pose"), ("joint", "joint")):
        shapes = [
            make_env_spec(PolymetisPandaEnv, d(action_space=ours)).leaf("action").shape,
            make_env_spec(BlockEnv3D, d(control_mode=theirs)).leaf("action").shape,
        ]
        assert shapes[0] == shapes[1]
    assert make_env_spec(PolymetisPandaEnv, CAMERAS).leaf("image").shape == (12, 16, 3)


@needs_pybullet
def test_the_same_actions_lead_to_the_same_places_as_in_bullets_world(new):
    """A policy moves between the two: same frames, same angles, same gripper."""
    env, other = new(horizon=1000), make(BlockEnv3D, d(control_mode="delta_pose", horizon=1000))
    env.reset()
    other.reset(seed=0)
    for change in ([0.02, 0.01, 0.0, 0, 0, 0.03, 255], [0.0, 0.0, 0.015, 0.01, 0.02, 0, 0]):
        for _ in range(8):
            ours, _, _ = env.step(act(*change))
            theirs, _, _ = other.step(act(*change))
        for _ in range(8):
            ours, _, _ = env.step(act(0, 0, 0, 0, 0, 0, change[-1]))
            theirs, _, _ = other.step(act(0, 0, 0, 0, 0, 0, change[-1]))
        for name, close in (("ee_position", 5e-3), ("ee_orientation_eul", 0.02), ("gripper_pos", 2.0), ("ee_velocity", 0.01)):
            np.testing.assert_allclose(ours[name], theirs[name], atol=close, err_msg=name)
    other.close()


@needs_pybullet
def test_it_does_not_move_until_it_is_armed(new):
    env = new(armed=False)
    with pytest.raises(RobotError, match="not armed"):
        env.reset()
    with pytest.raises(RobotError, match="not armed"):
        env.begin_guiding()
    env.arm()
    env.reset()
    run(env, act(0.02, 0, 0, 0, 0, 0, 0), 3)
    env.disarm()
    with pytest.raises(EnvError, match="no episode"):
        env.step(act(0.02, 0, 0, 0, 0, 0, 0))
    with pytest.raises(RobotError, match="not armed"):
        env.reset()
    before = np.array(env.robot.get_robot_state().joint_positions)
    env._clock.sleep_until(env._clock.now() + 1.0)
    env._clock.sleep_until(env._clock.now() + 1.0)
    settled = np.array(env.robot.get_robot_state().joint_positions)
    assert env.robot.is_running_policy() and np.abs(settled - before).max() < 0.2, "held, and not stopped"


@needs_pybullet
def test_disarmed_it_is_not_guided_and_its_fingers_rest(new):
    env = new(armed=False)
    for call in (lambda: env.guide(255.0), env.end_guiding):
        with pytest.raises(RobotError, match="nobody guides it"):
            call()
    env.arm()
    env.begin_guiding()
    env.guide(0.0)
    env.disarm()
    assert env._servo.mode.value == "joints", "held, and no longer soft"
    with pytest.raises(RobotError, match="nobody guides it"):
        env.guide(255.0)
    env._clock.sleep_until(env._clock.now() + 0.5)
    assert env.robot.gripper.get_state().width > 0.07


@needs_pybullet
def test_a_reset_in_a_motion_slows_down_first(new):
    env = new(hz=20.0, teleport=False)
    env.reset()
    run(env, act(0.02, 0, 0, 0, 0, 0, 0), 8)
    servo, places = env._servo, []
    tell = servo._tell

    def note():
        places.append(servo._motion.position.copy())
        tell()

    servo._tell = note
    run(env, act(0.02, 0, 0, 0, 0, 0, 0), 3)
    env.reset()
    speeds = np.linalg.norm(np.diff(places, axis=0), axis=1) / servo.period
    assert speeds[0] > 0.3 and np.abs(np.diff(speeds)).max() < 2 * servo.limits.acceleration * servo.period


@needs_pybullet
def test_a_number_that_is_not_finite_is_refused_and_counted(new):
    env = new()
    env.reset()
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(EnvError, match="not finite"):
            env.step(act(0.01, bad, 0, 0, 0, 0, 0))
    assert env.counts["not_finite"] == 3
    seen = run(env, act(0, 0, 0, 0, 0, 0, 0), 3)
    np.testing.assert_allclose(seen["ee_position"], [0.45, 0, 0.252], atol=2e-3)


@needs_pybullet
@pytest.mark.parametrize("space", ACTION_SPACES)
@pytest.mark.parametrize("bad", [np.float64(1e39), object, complex, str], ids=str)
def test_what_is_not_finite_as_float32_is_never_told(new, space, bad):
    env = new(action_space=space)
    env.reset()
    zeros = np.zeros((1, 7 if space.startswith("ee") else 8))
    action = zeros + bad if isinstance(bad, float) else (zeros * np.nan).astype(bad)
    before = env._servo.told
    with pytest.raises(EnvError, match="not finite|type"):
        env.step(d(action=action))
    env._clock.sleep_until(env._clock.now() + 0.3)
    np.testing.assert_array_equal(env._servo.told, before)
    env._servo.check()


@needs_pybullet
def test_an_action_outside_the_limits_is_clipped_and_counted(new):
    env = new()
    env.reset()
    seen = run(env, act(0.03, 0, 0, 0, 0, 0, 0), 1)
    assert not seen["clipped"] and not env.counts
    seen = run(env, act(5.0, 0, 0, 0, 0, 0, 300.0), 1)
    assert seen["clipped"] and env.counts == {"speed": 1, "gripper": 1}
    np.testing.assert_allclose(seen["target/ee_position"] - [0.48, 0, 0.252], [0.75 * 0.55 * 0.1, 0, 0], atol=1e-3)
    seen = run(env, act(0.04, 0, 0, 0, 0, 0, 0), 20)
    assert env.counts["workspace"] > 5
    np.testing.assert_allclose(seen["ee_position"][0], 0.68, atol=3e-3)
    assert "workspace" in env.summary and "steps came late" in env.summary


@needs_pybullet
@pytest.mark.parametrize(
    ("space", "action", "kind"),
    [
        ("ee-euler-delta", (1.0, 0, 0, 0, 0, 0, 0), "speed"),
        ("ee-euler-delta", (0, 0, 0, 0, 0, 1.0, 0), "turn_speed"),
        ("ee-euler-delta", (0, 0, 0, 0, 0, 0, -1), "gripper"),
        ("ee-euler", (0.45, 0.0, 0.0, 0, 0, 0, 0), "workspace"),
        ("ee-euler", (0.45, 0.0, 0.25, 0.9, 0, 0, 0), "orientation"),
        ("ee-euler", (0.68, 0.28, 0.48, 0, 0, 0, 0), "step"),
        ("joint-delta", (0.5, 0, 0, 0, 0, 0, 0, 0), "joint_speed"),
        ("joint", (0.0, -0.1876, 0.0, -2.4949, 0.0, 2.3074, 3.0, 0), "joint_limits"),
        ("joint", (0.0, 0.6, 0.0, -2.4949, 0.0, 2.3074, 0.7854, 0), "workspace"),
    ],
)
def test_an_action_outside_the_limits_is_refused(new, space, action, kind):
    env = new(action_space=space, on_violation="refuse", max_joint_step=2.5)
    first = env.reset()[0]["ee_position"]
    with pytest.raises(ActionRefused, match=kind):
        env.step(act(*action))
    assert env.counts[kind] == 1 and env.counts["refused"] == 1
    if space == "ee-euler-delta":
        seen = run(env, act(0, 0, 0, 0, 0, 0, 0), 5)
        np.testing.assert_allclose(seen["ee_position"], first[0], atol=2e-3), "nothing of it was done"


@needs_pybullet
@pytest.mark.parametrize("option", ["home", "preset"])
def test_without_teleport_it_goes_home_by_itself_within_all_limits(new, option):
    env = new(teleport=False, home="default_90" if option == "home" else "default")
    env.reset()
    seen = run(env, act(0.04, 0.02, 0, 0, 0, 0, 255), 10)
    assert seen["ee_position"][0] > 0.6 and seen["gripper_pos"] > 250
    obs = flatten(env.reset(START if option == "preset" else None)[0])
    wanted = START["joint_positions"] if option == "preset" else [*HOMES["default_90"], 0.04, 0.04]
    np.testing.assert_allclose(obs["joint_positions"][0][:7], wanted[:7], atol=0.05)
    np.testing.assert_allclose(obs["joint_positions"][0][7:], wanted[7:], atol=0.012)
    assert np.abs(obs["qdot"]).max() < 0.05


@needs_pybullet
def test_an_arm_that_cannot_come_home_is_stopped(new):
    env = new(teleport=False, home_timeout=2.0)
    env.reset()
    run(env, act(0.04, 0, 0, 0, 0, 0, 0), 4)
    run(env, act(0, 0, 0, 0, 0, 0, 0), 8)
    env.robot.hand = lambda seconds, position, velocity: np.array([28.0, 0.0, 0.0])
    with pytest.raises(RobotStopped, match=r"stopped \(home\)"):
        env.reset()


@needs_pybullet
def test_something_in_the_way_is_not_pushed_with_more_force_than_allowed(new):
    env = new(horizon=1000, max_speed=0.08)
    env.reset()
    add_body(env.robot.bullet, [Part((0.02, 1.0, 0.6))], (0.56, 0.0, 0.31))
    forces = []
    for _ in range(60):
        obs, _, _ = env.step(act(0.006, 0, 0, 0, 0, 0, 255))
        forces.append(np.linalg.norm(obs["external_wrench"][0, :3]))
    assert 10 < max(forces[-20:]) < 40, "it presses, and gives way"
    assert env._servo.counts["force"] + env._servo.counts["lead"] > 10
    seen = run(env, act(-0.006, 0, 0, 0, 0, 0, 255), 60)
    assert seen["ee_position"][0] < 0.5, "and comes away"


@needs_pybullet
def test_a_blow_stops_it(new):
    env = new(horizon=1000)
    env.reset()
    add_body(env.robot.bullet, [Part((0.02, 1.0, 0.6))], (0.56, 0.0, 0.31))
    with pytest.raises(RobotStopped, match=r"stopped \(force\): \d+(\.\d)? N, limit 40"):
        run(env, act(0.04, 0, 0, 0, 0, 0, 255), 40)


@needs_pybullet
def test_cameras_and_a_force_sensor_are_observed(new):
    env = new(**CAMERAS, force_sensor=d(cls=WrenchSensor), hz=20.0)
    obs, _ = env.reset()
    assert obs["image"].shape == (1, 12, 16, 3) and obs["ego_image"].shape == (1, 84, 84, 3) and obs["wrist_ft"].shape == (1, 6)
    later = run(env, act(0.02, 0.02, 0, 0, 0, 0, 0), 20)
    assert (later["image"] != obs["image"][0]).any() and later["image"].std() > 10
    assert env.render().shape == (256, 256, 3)


@needs_pybullet
@pytest.mark.parametrize("space", ACTION_SPACES)
def test_a_person_drives_it(new, space):
    env = new(action_space=space, horizon=1000)
    with pytest.raises(EnvError, match="no episode"):
        env.get_teleop_action(TeleopInput())
    before = env.reset()[0]["ee_position"][0]
    for _ in range(10):
        obs, _, _ = env.step(env.get_teleop_action(TeleopInput((0.5, 0.0, -0.25, 0.0, 0.0, 0.5), 1.0)))
    for _ in range(5):
        obs, _, _ = env.step(env.get_teleop_action(TeleopInput(grip=1.0)))
    moved = obs["ee_position"][0] - before
    np.testing.assert_allclose(moved, 0.75 * 0.55 * np.array([0.5, 0.0, -0.25]), atol=0.012)
    assert obs["ee_orientation_eul"][0, 2] == pytest.approx(0.75, abs=0.05) and obs["gripper_pos"][0] > 250
    assert not env.counts


@needs_pybullet
def test_a_change_is_counted_from_the_pivot(new):
    for pivot, least, most in (("expected", 0.19, 0.21), ("ground-truth", 0.05, 0.18), ("eval", 0.05, 0.19)):
        env = new(delta_pivot=pivot)
        env.reset()
        seen = run(env, act(0.02, 0, 0, 0, 0, 0, 0), 10)
        assert least < seen["target/ee_position"][0] - 0.45 < most, pivot


@needs_pybullet
def test_an_episode_ends_by_its_length_and_its_time_is_kept(new):
    env = new(horizon=3, hz=20.0)
    env.reset()
    began = env._clock.now()
    seen = run(env, act(0, 0, 0, 0, 0, 0, 0), 3)
    assert seen["truncated"] and seen["done"] and env._clock.now() - began == pytest.approx(0.15)
    env.reset()
    env._clock.sleep_until(env._clock.now() + 0.12)
    seen = run(env, act(0, 0, 0, 0, 0, 0, 0), 1)
    assert seen["late"] == pytest.approx(0.07, abs=1e-3) and "1 of 4 steps came late, by 70 ms" in env.summary


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"safenet": [[0.3, -0.3, 0.0]]}, "two corners"),
        ({"safenet": [[-np.inf] * 3, [np.inf] * 3]}, "finite"),
        ({"max_speed": 0.0}, "max_speed"),
        ({"hz": 0.5}, "from 1 to 100"),
        ({"home_joints": [0.0] * 7}, "home_joints"),
        ({"home_joints": [0.0] * 6}, "seven"),
        ({"camera": 3}, "a Sensor"),
        ({"margin": -0.5}, "margin"),
        ({"max_tilt": np.nan}, "max_tilt"),
        ({"clearance": np.nan}, "clearance"),
        ({"command_timeout": np.inf}, "command_timeout"),
        ({"state_timeout": np.nan}, "state_timeout"),
        ({"command_hz": 0.1}, "command_hz"),
        ({"action_space": "ee"}, "one of"),
    ],
)
def test_options_that_make_no_sense_are_told(options, text):
    with pytest.raises(Exception, match=text) as caught:
        make(PolymetisPandaEnv, d(**options))
    assert caught.type.__module__.startswith("muse.")


@needs_pybullet
@pytest.mark.parametrize(
    ("presets", "text"),
    [
        (d(joint_positions=np.zeros(7)), "shape"),
        (d(joint_positions=np.zeros(9)), "within"),
        (d(joint_positions=np.array([1.5, 0.5, 0, -1.5, 0, 2.0, 0.78, 0, 0])), "safenet"),
        (d(joint_positions=np.array([0.1, -0.1876, 0.0, -2.4949, 0.0, 2.3074, 0.7854, np.nan, 0.02])), "not finite"),
        (d(no_such=1), "no preset"),
    ],
)
def test_presets_outside_the_limits_are_refused(new, presets, text):
    with pytest.raises(EnvError, match=text):
        new().reset(presets)


def test_options_of_the_loop_do_not_change_the_world():
    one = env_fingerprint(d(cls=SimulatedPandaEnv, horizon=5, armed=False, hz=10.0))
    assert fingerprint_differences(one, env_fingerprint(d(cls=SimulatedPandaEnv, horizon=7, hz=10.0))) == []
    assert fingerprint_differences(one, env_fingerprint(d(cls=SimulatedPandaEnv, hz=30.0)))
