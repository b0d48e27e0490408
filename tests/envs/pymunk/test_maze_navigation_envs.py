import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pymunk

from muse.envs.env import EnvError, default_env_params, make, make_env_spec
from muse.envs.pymunk.maze_navigation_envs import (
    BottleneckNavigationBlockEnv2D,
    MazeEnv2D,
    NavigationBlockEnv2D,
    make_bottlenecks,
)
from muse.testing import check_env
from muse.utils.attrdicts import flatten
from muse.utils.maze import EAST, NORTH, SOUTH, WEST, Maze

OPEN = Maze.make_empty(5, 5).cells


def act(x, y):
    return d(action=np.array([[x, y, 0.0]], np.float32))


@needs_pymunk
@pytest.mark.parametrize(
    ("cls", "params", "presets"),
    [
        (NavigationBlockEnv2D, d(horizon=10), [d(maze=OPEN, goal_position=np.array([40.0, 40.0]))]),
        (NavigationBlockEnv2D, d(horizon=8, fixed_np_maze=OPEN.tolist(), use_dense_reward=True, imgs=True, img_width=32), []),
        (NavigationBlockEnv2D, d(horizon=8, valid_start_idxs=[[0, 0]], valid_goal_idxs=[[4, 4], [0, 4]]), []),
        (BottleneckNavigationBlockEnv2D, d(horizon=8), [d(maze_low_dim=np.array([0.0, 7.0, 3.0, 1.0]))]),
        (BottleneckNavigationBlockEnv2D, d(horizon=8, randomize_maze=False, bottleneck_indices=[2, 2]), []),
    ],
)
def test_contract(cls, params, presets):
    check_env(cls, params, presets=presets, steps=12)


def test_the_spec():
    assert make_env_spec(NavigationBlockEnv2D).observation_names == ("position", "velocity", "goal_position")
    spec = make_env_spec(BottleneckNavigationBlockEnv2D)
    assert spec.observation_names[-2:] == ("goal_position", "maze_low_dim") and spec.param_names == ("maze",)
    assert spec.leaf("maze").shape == (8, 8) and "north" in spec.leaf("maze").description
    with pytest.raises(TypeError, match="abstract"):
        make(MazeEnv2D, {}, make_env_spec(NavigationBlockEnv2D))


@needs_pymunk
@pytest.mark.parametrize("cls", [NavigationBlockEnv2D, BottleneckNavigationBlockEnv2D])
def test_starts_have_room_and_a_way(cls):
    env = make(cls, d())
    mazes = set()
    for seed in range(40):
        seen = {name: value[0] for name, value in env.reset(seed=seed)[0].items()}
        assert env._scene.find_overlap()[0] == 0 and not env.is_success()
        Maze(seen["maze"]).check()
        mazes.add(seen["maze"].tobytes())
    assert len(mazes) > 20


@needs_pymunk
@pytest.mark.parametrize("cls", [NavigationBlockEnv2D, BottleneckNavigationBlockEnv2D])
def test_an_episode_begins_again_from_what_was_recorded(cls):
    env = make(cls, d())

    def play(presets, seed):
        rng = np.random.default_rng(0)
        first = {name: value[0] for name, value in env.reset(presets, seed=seed)[0].items()}
        return first, [flatten(env.step(act(*rng.uniform(-100, 100, 2)))[0])["position"] for _ in range(30)]

    first, rows = play(None, 3)
    again, others = play(cls.get_start(default_env_params(cls), first), 9)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    np.testing.assert_array_equal(rows, others)


@needs_pymunk
def test_walls_are_where_the_maze_says():
    maze = Maze.make_empty(5, 5)
    maze.set_wall((1, 2), EAST, True)
    env = make(NavigationBlockEnv2D, d(horizon=1000))
    start = d(position=np.array([120.0, 200.0]), goal_position=np.array([360.0, 360.0]), maze=maze.cells)

    def go(y):
        env.reset(start & d(position=np.array([120.0, y])), seed=0)
        for _ in range(30):
            obs, _, _ = env.step(act(100, 0))
        return obs["position"][0, 0]

    assert abs(go(200.0) - (160 - 3 - 20)) < 0.5
    assert abs(go(120.0) - 380) < 0.5


@needs_pymunk
def test_the_goal_ends_an_episode_and_the_dense_reward_is_the_way_there():
    maze = Maze.make_empty(5, 5)
    for y in range(4):
        maze.set_wall((1, y), EAST, True)
    start = d(position=np.array([120.0, 40.0]), goal_position=np.array([200.0, 40.0]), maze=maze.cells)
    env = make(NavigationBlockEnv2D, d(use_dense_reward=True))
    env.reset(start, seed=0)
    obs, _, _ = env.step(act(0, 0))
    assert obs["reward"].item() == pytest.approx(-9 * 80 / 400, abs=1e-3)
    env.reset(start & d(position=np.array([225.0, 40.0])), seed=0)
    for _ in range(10):
        obs, _, done = env.step(act(-100, 0))
        if done:
            break
    assert len(env.get_state()["actions"]) == 2 and env.is_success() and not obs["truncated"]


def test_bottlenecks():
    maze = make_bottlenecks(8, [1, 3, 2], True)
    maze.check()
    assert maze.find_walls() == [
        ((0, 2), (2, 2)), ((3, 2), (8, 2)), ((0, 4), (3, 4)), ((4, 4), (8, 4)), ((0, 6), (1, 6)), ((2, 6), (8, 6)),
    ]  # fmt: skip
    maze = make_bottlenecks(8, [1, 3, 2], False)
    assert maze.find_walls()[:2] == [((2, 0), (2, 1)), ((2, 2), (2, 8))]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (d(num_maze_cells=9), r"num_maze_cells: 9 on 400 px; expected at least 2, and cells of at least 50 px"),
        (d(num_blocks=1), "num_blocks: 1; expected 0"),
        (d(tolerance=0.0), "tolerance: 0.0"),
        (d(valid_start_idxs=[[0, 5]]), r"valid_start_idxs: \[\(0, 5\)\]; expected pairs of numbers from 0 to 4"),
        (d(valid_start_idxs=[[1, 1]], valid_goal_idxs=[[1, 1]]), "a goal that is not the start"),
        (d(fixed_np_maze=[[0] * 5] * 5), r"fixed_np_maze: cell \(0, 0\) has no wall at the border"),
    ],
)
def test_wrong_options(params, message):
    with pytest.raises(EnvError, match=message):
        make(NavigationBlockEnv2D, params)


@needs_pymunk
def test_wrong_mazes():
    env = make(NavigationBlockEnv2D)
    wrong = OPEN.copy()
    wrong[2, 2] |= NORTH
    with pytest.raises(EnvError, match=r"cells \(2, 2\) and \(2, 3\) disagree about the wall"):
        env.reset(d(maze=wrong), seed=0)
    shut = Maze.make_empty(5, 5)
    for side in (NORTH, EAST, WEST, SOUTH):
        shut.set_wall((2, 2), side, True)
    with pytest.raises(EnvError, match="no way leads to the goal"):
        env.reset(d(maze=shut.cells, goal_position=np.array([200.0, 200.0]), position=np.array([40.0, 40.0])), seed=0)
    gaps = make(BottleneckNavigationBlockEnv2D)
    with pytest.raises(EnvError, match="'maze': not the one of 'maze_low_dim'"):
        gaps.reset(d(maze=Maze.make_empty(8, 8).cells), seed=0)
    with pytest.raises(EnvError, match="whole numbers"):
        gaps.reset(d(maze_low_dim=np.array([0.5, 0, 0, 1])), seed=0)
