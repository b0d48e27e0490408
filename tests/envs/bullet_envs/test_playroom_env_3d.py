"""The playrooms: their desk, their tasks, and what every world keeps."""

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet
from playing import assert_same_rows

from muse.envs.bullet_envs.block3d.desk import DOOR_OPEN, DRAWER_IN
from muse.envs.bullet_envs.block3d.playroom_env_3d import DrawerButtonPlayroomEnv3D, DrawerPlayroomEnv3D
from muse.envs.env import EnvError, default_env_params, make, make_env_spec
from muse.testing import check_env
from muse.utils.attrdicts import flatten

TASKS = tuple(DrawerButtonPlayroomEnv3D.tasks)
CLOSED = d(drawer=d(joint_position=np.array([DRAWER_IN])), cabinet=d(joint_position=np.zeros(1)))
OPEN = d(drawer=d(joint_position=np.zeros(1)), cabinet=d(joint_position=np.array([DOOR_OPEN])))
#: The hand waits here [m].
AWAY = (0.45, 0.0, 0.3)


def act(x, y, z, yaw=0.0, gripper=0.0):
    return d(action=np.array([[x, y, z, 0.0, 0.0, yaw, gripper]], np.float32))


def run(env, action, steps):
    for _ in range(steps):
        obs = env.step(action)[0]
    return {name: value[0] for name, value in flatten(obs).items()}


def first_row(env, presets=None, seed=None):
    return {name: value[0] for name, value in flatten(env.reset(presets, seed=seed)[0]).items()}


def walk(env, steps, seed=0):
    """Returns the rows of random actions that stay for a while, near the desk, so that things are moved."""
    rng, rows = np.random.default_rng(seed), []
    for t in range(steps):
        if t % 5 == 0:
            low, high = [0.3, -0.4, 0.1, -0.3, -0.3, -1.5, 0], [0.65, 0.3, 0.3, 0.3, 0.3, 1.5, 255]
            action = rng.uniform(low, high)[None].astype(np.float32)
        rows.append(flatten(env.step(d(action=action))[0]))
    return rows


def patient(task="open_drawer", **options):
    return make(DrawerButtonPlayroomEnv3D, d(task=task, horizon=10**6, done_on_success=False, **options))


def test_the_spec_needs_no_pybullet():
    spec = make_env_spec(DrawerPlayroomEnv3D, d(task="block_in_drawer"))
    parts = ("joint_position", "joint_position_normalized", "joint_velocity", "closed", "aabb", "contact", "handle_position")
    assert [name for name in spec.observation_names if name.split("/")[0] in ("drawer", "cabinet", "buttons", "goals")] == [
        *(f"drawer/{part}" for part in parts), *(f"cabinet/{part}" for part in parts), "cabinet/handle_orientation_eul", "goals/position",
    ]  # fmt: skip
    more = make_env_spec(DrawerButtonPlayroomEnv3D)
    buttons = {name: more.leaf(name).shape for name in more.observation_names if name.startswith("buttons/")}
    assert buttons == {
        "buttons/position": (3, 3), "buttons/joint_position": (3,), "buttons/closed": (3,), "buttons/contact": (3,)
    }  # fmt: skip
    assert "press_button" not in DrawerPlayroomEnv3D.tasks and more.leaf("goals/button").shape == (3,)


@needs_pybullet
def test_contract():
    params = d(horizon=2, object_start_in_drawer=True, use_dense_reward=True, render_size=16)
    check_env(DrawerPlayroomEnv3D, params, presets=[CLOSED], steps=3)


@needs_pybullet
@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_contract_of_every_task(task):
    params = d(task=task, horizon=8, num_blocks=2, control_mode="delta_pose", do_random_ee_position=True)
    check_env(DrawerButtonPlayroomEnv3D, d(**params, ego_imgs=True, img_width=16, img_height=12, render_size=16), steps=10)


@needs_pybullet
def test_starts_leave_something_to_do_and_stand_still():
    for task in TASKS:
        env = patient(task)
        for seed in range(2):
            first = first_row(env, seed=seed)
            assert not env.is_success() and env._scene.find_overlap()[1] == ""
        seen = run(env, act(*AWAY), 5)
        for name in ("drawer/joint_position", "cabinet/joint_position"):
            assert seen[name] == pytest.approx(first[name], abs=1e-5)
        np.testing.assert_allclose(seen["objects/position"], first["objects/position"], atol=1e-3)
        assert (seen["buttons/closed"] == 0).all() and not env.is_success()


def starts_of(options, seeds=12):
    env = patient(**options)
    rows = [env.draw_start({}) for _ in range(seeds)]
    drawers = [1 - float(row["drawer/joint_position"][0]) / DRAWER_IN for row in rows]
    return np.array(drawers), np.array([float(row["cabinet/joint_position"][0]) / DOOR_OPEN for row in rows])


@pytest.mark.parametrize(
    ("task", "drawer", "cabinet"),
    [
        ("open_drawer", (0, 0.6), (0, 1)),
        ("close_drawer", (0.4, 1), (0, 1)),
        ("open_cabinet", (0, 1), (0, 0.6)),
        ("close_cabinet", (0, 1), (0.4, 1)),
        ("block_in_drawer", (0.9, 1), (0, 1)),
    ],
)
def test_how_far_things_are_open(task, drawer, cabinet):
    for values, (low, high) in zip(starts_of({"task": task}), (drawer, cabinet), strict=True):
        assert low <= values.min() and values.max() <= high and np.ptp(values) > 0.5 * (high - low)
    for values, (low, high) in zip(
        starts_of({"task": task, "random_init_snap_drawer": True, "random_init_snap_cabinet": True}),
        (drawer, cabinet),
        strict=True,
    ):
        # Only the ends that leave something to do.
        assert set(np.round(values, 6)) == ({0.0, 1.0} if (low, high) == (0, 1) else {0.0} if low == 0 else {1.0})
    for values, (low, _) in zip(
        starts_of({"task": task, "random_init_drawer": False, "random_init_cabinet": False}), (drawer, cabinet), strict=True
    ):
        assert set(np.round(values, 6)) == ({0.0} if low == 0 else {1.0})


@needs_pybullet
def test_the_drawer_is_pulled_by_its_handle_and_carries_what_is_in_it():
    env = patient(object_start_in_drawer=True)
    first = first_row(env, CLOSED, seed=0)
    x, y, z = first["drawer/handle_position"]
    assert first["drawer/closed"] == 1 and first["drawer/joint_position_normalized"] == pytest.approx(0, abs=1e-6)
    run(env, act(x + 0.03, y, 0.25, gripper=255), 12)
    run(env, act(x + 0.03, y, z, gripper=255), 5)
    rows = [run(env, act(x + 0.03 - way, y, z, gripper=255), 1) for way in np.arange(0.02, 0.22, 0.02)]
    assert not any(row["cabinet/contact"] for row in rows)
    # On and on, against the end of its way.
    seen = run(env, act(x - 0.2, y, z, gripper=255), 3)
    assert seen["drawer/contact"] == 1
    assert env.is_success() and seen["drawer/closed"] == 0 and seen["drawer/joint_position_normalized"] > 0.95
    assert seen["drawer/handle_position"][0] == pytest.approx(x - 0.194, abs=2e-3)
    # The block went with it, by friction, but for what it slid when the drawer stopped.
    assert seen["objects/position"][0, 0] - first["objects/position"][0, 0] == pytest.approx(-0.194, abs=0.04)
    low, high = seen["drawer/aabb"][:3], seen["drawer/aabb"][3:]
    assert (low < seen["objects/position"][0]).all() and (seen["objects/position"][0] < high).all()
    # It stays where it is left.
    run(env, act(x - 0.16, y, 0.3), 5)
    assert run(env, act(*AWAY), 5)["drawer/joint_position"] == pytest.approx(seen["drawer/joint_position"], abs=1e-3)


@needs_pybullet
def test_the_door_turns_on_its_hinge_and_stays():
    env = patient("close_cabinet")
    first = first_row(env, OPEN, seed=0)
    np.testing.assert_allclose(first["cabinet/handle_orientation_eul"], [0, 0, DOOR_OPEN], atol=1e-6)
    hinge = np.array([0.6, -0.38])
    radius = np.linalg.norm(first["cabinet/handle_position"][:2] - hinge)
    # Pushed from outside by closed fingers.
    run(env, act(0.4, -0.3, 0.3, gripper=255), 12)
    x, y = first["cabinet/handle_position"][:2]
    run(env, act(x + 0.05, y - 0.02, 0.3, gripper=255), 8)
    run(env, act(x + 0.05, y - 0.02, 0.18, gripper=255), 5)
    rows = [run(env, act(x + 0.1, y + 0.15, 0.18, gripper=255), 1) for _ in range(8)]
    seen = rows[-1]
    assert any(row["cabinet/contact"] for row in rows) and not any(row["drawer/contact"] for row in rows)
    assert 0.1 < seen["cabinet/joint_position_normalized"] < 0.9
    assert np.linalg.norm(seen["cabinet/handle_position"][:2] - hinge) == pytest.approx(radius, abs=1e-4)
    link = env._scene.bullet.getLinkState(env._desk.body, 1)
    assert link[5][2] == pytest.approx(np.sin(seen["cabinet/joint_position"][0] / 2), abs=1e-3)
    run(env, act(x, y - 0.03, 0.18, gripper=255), 4)
    seen = run(env, act(x, y, 0.35, gripper=255), 5)
    later = run(env, act(*AWAY), 5)
    assert later["cabinet/joint_position"] == pytest.approx(seen["cabinet/joint_position"], abs=1e-3)


@needs_pybullet
def test_a_button_gives_way_and_comes_back():
    env = patient("press_button")
    env.reset(CLOSED & d(goals=d(button=np.array([0.0, 1.0, 0.0]))), seed=0)
    for number in (0, 1):
        x, y, z = env._state["buttons/position"][number]
        run(env, act(x, y, z + 0.05, gripper=255), 12)
        seen = run(env, act(x, y, z - 0.01, gripper=255), 4)
        pressed = [float(i == number) for i in range(3)]
        assert seen["buttons/closed"].tolist() == seen["buttons/contact"].tolist() == pressed
        # Only the one that is asked for counts.
        assert env.is_success() is (number == 1)
        seen = run(env, act(x, y, z + 0.05, gripper=255), 4)
        assert np.abs(seen["buttons/joint_position"]).max() < 1e-3 and not env.is_success()


@needs_pybullet
def test_a_block_counts_once_it_lies_in_the_drawer():
    env = patient("block_in_drawer", object_size_lower=[0.04] * 3, object_size_upper=[0.04] * 3)
    first = first_row(env, OPEN, seed=0)
    x, y, z = first["goals/position"]
    assert not env.is_success() and env.distance_left(env._state) > 0.1
    inside = OPEN & d(objects=d(position=np.array([[x - 0.04, y, z + 0.06]])))
    env.reset(inside, seed=0)
    run(env, act(*AWAY), 1)
    # It falls.
    assert not env.is_success()
    run(env, act(*AWAY), 5)
    assert env.is_success() and env.distance_left(env._state) == 0


@needs_pybullet
def test_an_episode_begins_again_from_what_was_recorded_and_a_state_is_restored():
    env, other = patient("block_in_drawer"), patient("block_in_drawer")
    first = first_row(env, seed=3)
    rows = walk(env, 25)
    moved = [np.ptp([row[f"{part}/joint_position"] for row in rows]) for part in ("drawer", "cabinet")]
    assert max(moved) > 0.01
    presets = DrawerButtonPlayroomEnv3D.get_start(default_env_params(DrawerButtonPlayroomEnv3D, other.params), first)
    other.reset(seed=9)
    walk(other, 5, seed=9)
    assert_same_rows([first_row(other, presets, seed=4)], [first])
    assert_same_rows(rows, walk(other, 25))
    state = env.get_state()
    more = walk(env, 10, seed=1)
    other.set_state(state)
    assert_same_rows(more, walk(other, 10, seed=1))


@needs_pybullet
def test_a_playroom_without_blocks():
    env = patient(num_blocks=0)
    assert not [name for name in first_row(env, seed=0) if name.startswith("objects/")]
    run(env, act(*AWAY), 1)


@pytest.mark.parametrize(
    ("params", "presets", "message"),
    [
        (d(task="block_in_drawer", num_blocks=0), None, "task 'block_in_drawer': num_blocks=0; expected blocks on the table"),
        (
            d(task="block_in_drawer", object_start_in_drawer=True),
            None,
            "object_start_in_drawer=True; expected blocks on the table",
        ),
        (d(), d(drawer=d(joint_position=np.array([0.2]))), "'drawer/joint_position': 0.2; expected from 0 to 0.194"),
        (d(), d(cabinet=d(joint_position=np.array([-0.1]))), "'cabinet/joint_position': -0.1; expected from 0 to 1.4708"),
    ],
)
def test_what_makes_no_playroom(params, presets, message):
    with pytest.raises(EnvError, match=message):
        make(DrawerPlayroomEnv3D, params).reset(presets, seed=0)
