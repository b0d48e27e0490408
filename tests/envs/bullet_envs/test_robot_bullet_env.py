"""What every world of bullet keeps, tried on the one of blocks."""

import gc
import subprocess
import sys

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet
from playing import assert_same_rows, check_window

from muse.envs.bullet_envs.block3d.block_env_3d import BlockEnv3D
from muse.envs.bullet_envs.panda import HOME
from muse.envs.bullet_envs.robot_bullet_env import RobotBulletEnv
from muse.envs.env import EnvError, default_env_params, make, make_env_spec
from muse.experiments.provenance import env_fingerprint, fingerprint_differences
from muse.testing import check_env
from muse.utils.attrdicts import flatten
from muse.utils.errors import MissingExtraError

#: A block in front of the hand, the goal behind it.
AHEAD = d(
    objects=d(
        position=np.array([[0.45, 0.0, 0.02]]),
        orientation_eul=np.zeros((1, 3)),
        size=np.full((1, 3), 0.04),
        mass=np.full(1, 0.1),
    ),
    goals=d(position=np.array([[0.58, 0.0, 0.02]])),
)


def act(x, y, z, roll=0.0, pitch=0.0, yaw=0.0, gripper=0.0):
    return d(action=np.array([[x, y, z, roll, pitch, yaw, gripper]], np.float32))


def run(env, action, steps):
    for _ in range(steps):
        obs, _, _ = env.step(action)
    return {name: value[0] for name, value in flatten(obs).items()}


def walk(env, steps, seed=0):
    """Returns the rows of random actions that stay for a while, so that the arm gets somewhere."""
    rng, leaf, rows = np.random.default_rng(seed), env.env_spec.leaf("action"), []
    for t in range(steps):
        if t % 5 == 0:
            action = rng.uniform(leaf.low, leaf.high)[None].astype(np.float32)
        rows.append(flatten(env.step(d(action=action))[0]))
    return rows


def first_row(env, presets=None, seed=None):
    return {name: value[0] for name, value in flatten(env.reset(presets, seed=seed)[0]).items()}


@needs_pybullet
def test_contract():
    params = d(horizon=7, control_mode="delta_pose", ego_imgs=True, img_width=20, img_height=12, do_random_ee_position=True)
    check_env(BlockEnv3D, params, presets=[AHEAD], steps=9)


def test_the_base_is_abstract_and_the_spec_needs_no_pybullet():
    with pytest.raises(TypeError, match="abstract"):
        make(RobotBulletEnv, {}, make_env_spec(BlockEnv3D))
    spec = make_env_spec(BlockEnv3D, d(imgs=True, ego_imgs=True, num_blocks=2))
    assert spec.observation_names == (
        "ee_position", "ee_orientation_eul", "ee_velocity", "ee_angular_velocity", "joint_positions", "gripper_pos",
        "gripper_tip_pos", "finger_left_contact", "finger_right_contact", "wrist_ft", "objects/position",
        "objects/orientation_eul", "objects/velocity", "objects/angular_velocity", "objects/aabb", "objects/contact",
        "goals/position", "image", "ego_image",
    )  # fmt: skip
    assert spec.param_names == ("objects/size", "objects/mass")
    assert spec.leaf("objects/aabb").shape == (2, 6) and spec.leaf("action").high[6] == 255


def test_without_pybullet_a_reset_says_which_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pybullet", None)
    with pytest.raises(MissingExtraError, match="BlockEnv3D: cannot import 'pybullet'(.|\n)*extra 'bullet'"):
        make(BlockEnv3D).reset(seed=0)


@needs_pybullet
def test_nothing_is_printed():
    code = (
        "from muse.envs.env import make\n"
        "env = make('muse.envs.bullet_envs.block3d.block_env_3d.BlockEnv3D')\n"
        "env.reset(seed=0); env.render(); env.close()\n"
        "import os; os.write(2, b'still there')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"still there")


@needs_pybullet
@pytest.mark.parametrize("mode", ["pose", "joint"])
def test_an_episode_begins_again_from_what_was_recorded(mode):
    params = d(horizon=100, control_mode=mode, do_random_ee_position=True)
    env = make(BlockEnv3D, params)
    first = first_row(env, seed=3)
    rows = walk(env, 30)
    presets = BlockEnv3D.get_start(default_env_params(BlockEnv3D, params), first)
    env.reset(seed=9)
    walk(env, 5, seed=9)
    assert_same_rows([first_row(env, presets, seed=4)], [first])
    assert_same_rows(rows, walk(env, 30))


@needs_pybullet
def test_pictures_change_nothing():
    plain, seen, late = make(BlockEnv3D), make(BlockEnv3D, d(imgs=True)), make(BlockEnv3D)
    for env in (plain, seen, late):
        env.reset(seed=1)
    rows, others = walk(plain, 20), walk(seen, 20)
    for row in others:
        assert row.pop("image").shape == (1, 84, 84, 3)
    assert_same_rows(rows, others)
    begin = walk(late, 10)
    # Shapes to draw are not there yet; from here on they are.
    picture = late.render()
    assert picture.shape == (256, 256, 3) and np.array_equal(picture, late.render())
    assert_same_rows(rows[:10], begin)
    late.reset(seed=1)
    assert_same_rows(rows, walk(late, 20))


@needs_pybullet
def test_the_hand_goes_where_it_is_told_and_no_faster():
    env = make(BlockEnv3D, d(horizon=1000, object_start_bounds=0.0))
    begin = first_row(env, seed=0)["ee_position"]
    target = act(0.6, 0.2, 0.15, 0.2, -0.3, 0.8)
    rows = [run(env, target, 1) for _ in range(20)]
    ways = np.abs(np.diff([begin, *(row["ee_position"] for row in rows)], axis=0))
    assert ways.max() < 0.041
    np.testing.assert_allclose(rows[-1]["ee_position"], [0.6, 0.2, 0.15], atol=1e-4)
    np.testing.assert_allclose(rows[-1]["ee_orientation_eul"], [0.2, -0.3, 0.8], atol=2e-3)
    # Out of its box it goes to the edge.
    seen = run(env, act(9, -9, 9), 30)
    np.testing.assert_allclose(seen["ee_position"], [0.67, -0.24, 0.4], atol=1e-4)
    assert np.abs(seen["ee_velocity"]).max() < 1e-2


@needs_pybullet
def test_changes_of_the_pose_add_up():
    env = make(BlockEnv3D, d(horizon=1000, control_mode="delta_pose", object_start_bounds=0.0))
    begin = first_row(env, seed=0)
    seen = run(env, act(0.01, -0.02, 0.004, yaw=0.05), 8)
    seen = run(env, act(0, 0, 0), 4)
    np.testing.assert_allclose(seen["ee_position"] - begin["ee_position"], [0.08, -0.16, 0.032], atol=1e-4)
    assert seen["ee_orientation_eul"] == pytest.approx([0, 0, 0.4], abs=2e-3)


@needs_pybullet
def test_joints_go_where_they_are_told_and_the_hand_stays_in_its_box():
    env = make(BlockEnv3D, d(horizon=1000, control_mode="joint", object_start_bounds=0.0))
    env.reset(seed=0)
    target = np.array([*HOME, 0.0]) + [0.2, 0.1, 0.1, 0.2, 0.1, -0.1, 0.3, 255]
    seen = run(env, d(action=target[None].astype(np.float32)), 10)
    np.testing.assert_allclose(seen["joint_positions"][:7], target[:7], atol=1e-3)
    assert seen["gripper_pos"] == pytest.approx(255, abs=1)
    seen = run(env, d(action=np.array([[0, 1.5, 0, -0.5, 0, 2.0, 0.8, 0]], np.float32)), 40)
    assert (seen["ee_position"] > np.array([0.29, -0.24, 0.01]) - 2e-3).all()
    assert (seen["ee_position"] < np.array([0.67, 0.24, 0.4]) + 2e-3).all()


@needs_pybullet
def test_the_arm_finds_back_from_wherever_chance_led_it():
    env = make(BlockEnv3D, d(horizon=10**6, done_on_success=False))
    env.reset(seed=0)
    walk(env, 300)
    run(env, act(0.45, 0, 0.3), 15)
    seen = run(env, act(0.45, 0, 0.25), 5)
    np.testing.assert_allclose(seen["ee_position"], [0.45, 0, 0.25], atol=1e-3)
    np.testing.assert_allclose(seen["joint_positions"][:7], HOME, atol=0.1)


@needs_pybullet
def test_grasping_lifting_and_letting_go():
    env = make(BlockEnv3D, d(horizon=1000, done_on_success=False))
    env.reset(AHEAD, seed=0)
    seen = run(env, act(0.45, 0, 0.1), 5)
    assert seen["gripper_pos"] == pytest.approx(0, abs=1) and seen["objects/contact"] == 0
    weight = seen["wrist_ft"][2]
    run(env, act(0.45, 0, 0.02), 4)
    seen = run(env, act(0.45, 0, 0.02, gripper=255), 5)
    assert seen["finger_left_contact"] == seen["finger_right_contact"] == seen["objects/contact"] == 1
    assert seen["gripper_pos"] == pytest.approx(127.5, abs=3)
    seen = run(env, act(0.5, 0.1, 0.2, gripper=255), 20)
    np.testing.assert_allclose(seen["objects/position"], [[0.5, 0.1, 0.2]], atol=5e-3)
    np.testing.assert_allclose(seen["gripper_tip_pos"], [0.5, 0.1, 0.193], atol=2e-3)
    # A block of 100 g hangs on the hand.
    assert seen["wrist_ft"][2] - weight == pytest.approx(-0.981, abs=0.2)
    seen = run(env, act(0.5, 0.1, 0.2), 10)
    assert seen["objects/position"][0, 2] == pytest.approx(0.02, abs=1e-3) and seen["objects/contact"] == 0


@needs_pybullet
def test_only_the_finger_that_touches_says_so():
    env = make(BlockEnv3D, d(horizon=1000, done_on_success=False))
    env.reset(AHEAD, seed=0)
    # The fingers open along y. From the side of low y, the finger of high y comes first.
    run(env, act(0.45, -0.12, 0.1, gripper=255), 6)
    run(env, act(0.45, -0.12, 0.03, gripper=120), 6)
    for _ in range(20):
        seen = run(env, act(0.45, 0.0, 0.03, gripper=120), 1)
        if seen["objects/contact"]:
            break
    tips = [env._scene.bullet.getLinkState(env._scene.arm.body, link)[4][1] for link in (9, 10)]
    pushing = {True: "finger_left_contact", False: "finger_right_contact"}
    assert seen[pushing[tips[0] > tips[1]]] == 1 and seen[pushing[tips[0] < tips[1]]] == 0


@needs_pybullet
def test_pressing_on_the_table_does_not_wind_up():
    env = make(BlockEnv3D, d(horizon=1000, done_on_success=False))
    env.reset(AHEAD, seed=0)
    run(env, act(0.45, 0, 0.1, gripper=255), 6)
    pressed = run(env, act(0.45, 0, 0.01, gripper=255), 30)
    assert pressed["ee_position"][2] > 0.04
    free = run(env, act(0.45, 0, 0.1, gripper=255), 6)
    np.testing.assert_allclose(free["ee_position"], [0.45, 0, 0.1], atol=1e-3)
    assert free["objects/position"][0, 2] == pytest.approx(0.02, abs=2e-3)


@needs_pybullet
def test_two_envs_step_in_turns_as_they_do_alone():
    alone = []
    for seed in (1, 2):
        env = make(BlockEnv3D)
        env.reset(seed=seed)
        alone.append(walk(env, 15, seed))
    envs = [make(BlockEnv3D), make(BlockEnv3D, d(control_mode="pose"))]
    for env, seed in zip(envs, (1, 2), strict=True):
        env.reset(seed=seed)
    leaf = envs[0].env_spec.leaf("action")
    rngs, rows, actions = [np.random.default_rng(seed) for seed in (1, 2)], [[], []], [None, None]
    for t in range(15):
        for i, env in enumerate(envs):
            if t % 5 == 0:
                actions[i] = rngs[i].uniform(leaf.low, leaf.high)[None].astype(np.float32)
            rows[i].append(flatten(env.step(d(action=actions[i]))[0]))
    for mixed, separate in zip(rows, alone, strict=True):
        assert_same_rows(mixed, separate)


@needs_pybullet
def test_an_env_that_is_forgotten_or_closed_ends_its_server():
    import pybullet

    env = make(BlockEnv3D)
    env.reset(seed=0)
    client = env._bullet.client
    env.close()
    assert not pybullet.isConnected(physicsClientId=client)
    env.reset(seed=0)
    client = env._bullet.client
    assert pybullet.isConnected(physicsClientId=client)
    del env
    assert not pybullet.isConnected(physicsClientId=client)


@needs_pybullet
def test_resets_keep_no_memory():
    def resident():
        gc.collect()
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096 / 2**20

    env = make(BlockEnv3D)
    sizes = []
    for seed in range(120):
        env.reset(seed=seed)
        if seed in (20, 119):
            sizes.append(resident())
    assert sizes[1] - sizes[0] < 1


@needs_pybullet
def test_success_ends_an_episode_and_the_horizon_truncates_it():
    near = AHEAD & d(goals=d(position=np.array([[0.46, 0.0, 0.02]])))
    for done_on_success in (True, False):
        env = make(BlockEnv3D, d(horizon=3, done_on_success=done_on_success))
        env.reset(near, seed=0)
        obs, _, done = env.step(act(0.45, 0, 0.25))
        assert env.is_success() and obs["reward"] == 1 and not obs["truncated"] and bool(done) is done_on_success
    env.reset(AHEAD, seed=0)
    ends = [bool(env.step(act(0.45, 0, 0.25))[2]) for _ in range(3)]
    assert ends == [False, False, True] and not env.is_success()
    dense = make(BlockEnv3D, d(use_dense_reward=True))
    dense.reset(AHEAD, seed=0)
    assert dense.step(act(0.45, 0, 0.25))[0]["reward"] == pytest.approx(-0.13, abs=1e-3)


def test_the_look_of_pictures_matters_where_they_are_observed():
    def fingerprint(**params):
        return env_fingerprint(d(cls=BlockEnv3D, **default_env_params(BlockEnv3D, d(params))))

    assert fingerprint_differences(fingerprint(), fingerprint(img_width=32, horizon=7, imgs=True)) == []
    assert fingerprint_differences(fingerprint(ego_imgs=True), fingerprint(img_width=32, ego_imgs=True)) != []
    assert fingerprint_differences(fingerprint(), fingerprint(control_mode="joint")) != []


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (d(horizon=0), "BlockEnv3D: horizon: 0; expected at least 1"),
        (d(time_step=0.1), "BlockEnv3D: time_step: 0.1; expected more than 0, up to 0.025 s"),
        (d(max_speed=0.0), "BlockEnv3D: max_speed: 0.0; expected more than 0"),
        (d(object_start_bounds=1.5), "BlockEnv3D: object_start_bounds: 1.5; expected from 0 to 1"),
        (d(object_size_lower=[0.06] * 3), "BlockEnv3D: object_size_lower, object_size_upper: [0.06, 0.06, 0.06], "),
        (d(object_mass_bounds=[0.1]), "BlockEnv3D: object_mass_bounds: [0.1], []; expected 1 of each"),
        (d(num_blocks=0), "BlockEnv3D: num_blocks: 0; expected more than 0"),
    ],
)
def test_wrong_options(params, message):
    with pytest.raises(EnvError) as error:
        make(BlockEnv3D, params)
    assert str(error.value).startswith(message)


@needs_pybullet
@pytest.mark.parametrize(
    ("presets", "message"),
    [
        (d(objects=d(positions=np.zeros((1, 3)))), r"no preset 'objects/positions' \(did you mean 'objects/position'\?\)"),
        (d(objects=d(position=np.zeros(3))), r"'objects/position': shape \(3,\); expected shape \(1, 3\)"),
        (d(objects=d(position=np.full((1, 3), np.nan))), "'objects/position': .* expected finite"),
        (d(joint_positions=np.full(9, 0.5)), r"'joint_positions': .* expected within"),
        (d(joint_positions=np.array([*HOME, 0.0, 0.0]), ee_position=np.zeros(3)), "one of the two"),
        (d(ee_position=np.array([2.0, 0, 0.2])), "the hand does not reach"),
        (d(objects=d(position=np.array([[0.48, 0, 0.0]]))), "the table and object 0 overlap by"),
        (d(objects=d(position=np.array([[0.45, 0, 0.28]]))), "the arm and object 0 overlap by"),
    ],
)
def test_wrong_presets(presets, message):
    with pytest.raises(EnvError, match=message):
        make(BlockEnv3D, d(object_size_lower=[0.05] * 3)).reset(presets, seed=0)


@needs_pybullet
def test_window(monkeypatch):
    check_window(make(BlockEnv3D, d(render=True, render_size=64)), act(0.45, 0, 0.2), monkeypatch)
