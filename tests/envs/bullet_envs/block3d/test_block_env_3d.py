import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet
from solving import solve

from muse.envs.bullet_envs.block3d.block_env_3d import BlockEnv3D
from muse.envs.bullet_envs.table import CENTRE, HALF
from muse.envs.env import EnvError, make, make_env_spec
from muse.testing import check_env
from muse.utils.attrdicts import flatten

pytestmark = needs_pybullet
TASKS = ("push", "pull", "lift", "place", "tip", "rotate")


def first_row(env, presets=None, seed=None):
    return {name: value[0] for name, value in flatten(env.reset(presets, seed=seed)[0]).items()}


@pytest.mark.parametrize("task", TASKS)
def test_a_script_does_the_task(task):
    env = make(BlockEnv3D, d(task=task))
    for seed in (2, 5):
        first = first_row(env, seed=seed)
        assert not env.is_success()
        solve(env, first)
        assert env.is_success() and not env._is_running
        assert env.seen["reward"] == 1 and not env.seen["truncated"]


@pytest.mark.parametrize("task", TASKS)
def test_starts_lie_at_rest_with_goals_as_the_task_says(task):
    env = make(BlockEnv3D, d(task=task, horizon=2))
    for seed in range(8):
        first = first_row(env, seed=seed)
        (x, y, z), size = first["objects/position"][0], first["objects/size"][0]
        assert abs(x - CENTRE[0]) <= 0.7 * HALF[0] and abs(y) <= 0.7 * HALF[1] and z == pytest.approx(size[2] / 2)
        assert (size >= np.float32(0.025)).all() and (size <= np.float32(0.055)).all() and 0.05 <= first["objects/mass"] <= 0.1501
        np.testing.assert_allclose(first["objects/aabb"][0, [2, 5]], [0, size[2]], atol=1e-6)
        goal = first[env._goal][0]
        if task in ("push", "pull"):
            ahead = goal[0] - x
            assert (ahead if task == "push" else -ahead) >= 0.07 and 0.09 <= np.hypot(ahead, goal[1] - y) <= 0.2201
        elif task == "lift":
            np.testing.assert_allclose(goal, [x, y, z + 0.1], atol=1e-6)
        elif task == "place":
            assert np.hypot(goal[0] - x, goal[1] - y) >= 0.13 and goal[2] == pytest.approx(0.05 + size[2] / 2)
        elif task == "tip":
            assert np.hypot(*goal) == pytest.approx(1) and size[2] == size.max()
        else:
            assert 0.6 < abs(goal - first["objects/orientation_eul"][0, 2]) < 1.23
        # Nothing moves by itself, and what must be done is not done by waiting.
        hold = d(action=np.array([[*first["ee_position"], 0, 0, 0, 0]], np.float32))
        seen = flatten(env.step(hold)[0])
        np.testing.assert_allclose(seen["objects/position"][0], first["objects/position"], atol=3e-4)
        assert not env.is_success()
        np.testing.assert_array_equal(seen[env._goal][0], first[env._goal])


def test_goals_of_tasks_in_the_spec():
    goals = {task: make_env_spec(BlockEnv3D, d(task=task, num_blocks=2)).observation_names[-1] for task in TASKS}
    assert goals == {
        "push": "goals/position", "pull": "goals/position", "lift": "goals/position", "place": "goals/position",
        "tip": "goals/direction", "rotate": "goals/yaw",
    }  # fmt: skip


@pytest.mark.parametrize("task", ["place", "rotate"])
def test_contract_with_several_blocks(task):
    check_env(BlockEnv3D, d(task=task, num_blocks=2, horizon=4, use_dense_reward=True, control_mode="joint"), steps=5)


def test_every_block_must_be_done():
    env = make(BlockEnv3D, d(num_blocks=2, task="lift"))
    first = first_row(env, seed=0)
    goals = first["objects/position"] + np.array([[0, 0, -0.01], [0, 0, 0.01]])
    env.reset(d(goals=d(position=goals)), seed=0)
    assert not env.is_success()
    env.reset(d(goals=d(position=first["objects/position"] - 0.001)), seed=0)
    assert env.is_success()


def test_a_block_in_the_hand_is_not_placed():
    env = make(BlockEnv3D, d(task="place"))
    first = first_row(env, seed=1)
    state = {name: value.astype(np.float64) for name, value in first.items()}
    state["objects/position"] = state["goals/position"] + 0.01
    assert env.is_solved(state)
    assert not env.is_solved({**state, "objects/contact": np.ones(1)})
    assert not env.is_solved({**state, "objects/velocity": np.full((1, 3), 0.1)})


def test_no_room():
    with pytest.raises(EnvError, match="no room"):
        make(BlockEnv3D, d(num_blocks=30)).reset(seed=0)
    with pytest.raises(EnvError, match="no room for goals"):
        make(BlockEnv3D).reset(d(objects=d(position=np.array([[0.65, 0.0, 0.02]]))), seed=0)


def test_a_picture_shows_block_and_goal_where_they_are():
    env = make(BlockEnv3D, d(render_size=200))
    presets = d(
        objects=d(position=np.array([[0.4, 0.1, 0.025]]), size=np.full((1, 3), 0.05)),
        goals=d(position=np.array([[0.55, -0.1, 0.025]])),
    )
    env.reset(presets, seed=0)
    picture, bullet, view = env.render().astype(int), env._scene.bullet, env.view
    eye = np.reshape(bullet.computeViewMatrix(view.eye, view.target, view.up), (4, 4), order="F")
    lens = np.reshape(bullet.computeProjectionMatrixFOV(view.angle, 1.0, 0.02, 4.0), (4, 4), order="F")
    blue = picture[..., 2] - picture[..., 1] > 40
    green = (picture[..., 1] - picture[..., 0] > 60) & (picture[..., 1] - picture[..., 2] > 40)
    for mask, place in ((blue, (0.4, 0.1, 0.025)), (green, (0.55, -0.1, 0.0))):
        x, y, _, w = lens @ eye @ [*place, 1]
        row, column = np.argwhere(mask).mean(axis=0)
        assert (column, row) == pytest.approx((100 * (1 + x / w), 100 * (1 - y / w)), abs=3)


@needs_pybullet
@pytest.mark.parametrize("task", ["push", "rotate"])
def test_offsets_are_what_they_say(task):
    env = make(BlockEnv3D, d(task=task, num_blocks=2, object_offsets=True))
    obs, _ = env.reset(seed=0)
    action = d(action=env.env_spec.leaf("action").low[None].astype(np.float32))
    for seen in (obs, env.step(action)[0]):
        places, tip = seen.objects.position[0], seen.gripper_tip_pos[0]
        for i in range(2):
            assert np.array_equal(seen.objects.offset[0, i], places[i] - tip)
            if task == "push":
                assert np.array_equal(seen.goals.offset[0, i], seen.goals.position[0, i] - places[i])
    assert ("goals/offset" in env.env_spec) == (task == "push")
    env.close()
