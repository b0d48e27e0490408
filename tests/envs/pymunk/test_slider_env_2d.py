import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pymunk

from muse.envs.env import EnvError, default_env_params, make
from muse.envs.pymunk.slider_env_2d import SliderBlockEnv2D
from muse.testing import check_env

#: Below the first block, and left of it.
BELOW, LEFT = np.array([160.0, 55.0]), np.array([110.0, 108.0])
START = d(
    position=BELOW,
    block_positions=np.array([[160.0, 100.0], [300.0, 240.0]]),
    goal_block_positions=np.array([[230.0, 100.0], [300.0, 170.0]]),
)


def run(env, x, y, steps):
    for _ in range(steps):
        obs, _, done = env.step(d(action=np.array([[x, y, 0.0]], np.float32)))
        if done:
            break
    return {name: value[0] for name, value in obs.items()}


@needs_pymunk
@pytest.mark.parametrize(
    ("params", "presets"),
    [(d(horizon=12), [START]), (d(horizon=8, num_blocks=1, imgs=True, img_width=24, use_dense_reward=True), [])],
)
def test_contract(params, presets):
    check_env(SliderBlockEnv2D, params, presets=presets, steps=15)


@needs_pymunk
def test_a_block_slides_along_its_groove_alone_and_to_its_end():
    env = make(SliderBlockEnv2D, d(horizon=1000))
    env.reset(START, seed=0)
    seen = run(env, 0, 100, 20)
    np.testing.assert_allclose(seen["block_positions"], START["block_positions"], atol=1.0)
    assert seen["position"][1] < 62
    env.reset(START & d(position=LEFT, goal_block_positions=np.array([[90.0, 100.0], [300.0, 170.0]])), seed=0)
    seen = run(env, 100, 0, 30)
    np.testing.assert_allclose(seen["block_positions"][0], [240, 100], atol=1.5)
    assert abs(seen["block_angles"][0]) < 1e-3 and seen["position"][0] < 202


@needs_pymunk
def test_it_is_solved_when_every_block_is_at_its_goal():
    env = make(SliderBlockEnv2D, d(horizon=1000))
    start = START & d(position=LEFT, goal_block_positions=np.array([[230.0, 100.0], [300.0, 240.0]]))
    env.reset(start, seed=0)
    assert not env.is_success()
    seen = run(env, 100, 0, 30)
    assert env.is_success() and abs(seen["block_positions"][0, 0] - 230) <= 8 and not seen["truncated"]
    env.reset(start & d(goal_block_positions=np.array([[230.0, 100.0], [300.0, 260.0]])), seed=0)
    run(env, 100, 0, 30)
    assert not env.is_success()


@needs_pymunk
def test_starts_and_goals_are_in_their_grooves_and_apart():
    env = make(SliderBlockEnv2D)
    ways = []
    for seed in range(60):
        seen = {name: value[0] for name, value in env.reset(seed=seed)[0].items()}
        assert env._scene.find_overlap()[0] == 0
        for name in ("block_positions", "goal_block_positions"):
            assert seen[name][0, 1] == 100 and seen[name][1, 0] == 300
            assert 80 <= seen[name][0, 0] <= 240 and 160 <= seen[name][1, 1] <= 320
        ways.append(np.abs(seen["block_positions"] - seen["goal_block_positions"]).max(axis=1))
    assert np.min(ways) >= 40 and np.max(ways) > 120


@needs_pymunk
def test_an_episode_begins_again_from_what_was_recorded():
    env = make(SliderBlockEnv2D)

    def play(presets, seed):
        first = {name: value[0] for name, value in env.reset(presets, seed=seed)[0].items()}
        rng = np.random.default_rng(0)
        rows = []
        for _ in range(80):
            way = first["block_positions"][0] - env._state.position
            rows.append(run(env, *(3 * way + rng.normal(0, 30, 2)), 1)["block_positions"])
        return first, np.array(rows)

    first, rows = play(None, 5)
    assert np.ptp(rows, axis=0).max() > 1
    again, others = play(SliderBlockEnv2D.get_start(default_env_params(SliderBlockEnv2D), first), 9)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    np.testing.assert_array_equal(rows, others)


def test_wrong_options():
    for params, message in [
        (d(num_blocks=3), "num_blocks: 3; expected from 1 to 2"),
        (d(slider_range=0.0), "slider_range: 0.0; expected more than 0"),
        (d(min_goal_distance=90.0), "min_goal_distance: 90.0; expected from 0 to 80"),
    ]:
        with pytest.raises(EnvError, match=message):
            make(SliderBlockEnv2D, params)


@needs_pymunk
def test_a_block_beside_its_groove():
    with pytest.raises(EnvError, match=r"'block_positions': block 0 at \[160.0, 130.0\]; expected on its groove"):
        make(SliderBlockEnv2D).reset(START & d(block_positions=np.array([[160.0, 130.0], [300.0, 240.0]])), seed=0)
