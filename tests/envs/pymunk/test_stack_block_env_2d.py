import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pymunk

from muse.envs.env import EnvError, default_env_params, make
from muse.envs.pymunk.stack_block_env_2d import StackBlockEnv2D
from muse.testing import check_env
from muse.utils.attrdicts import flatten

SIZES = np.array([[50.0, 40.0], [40.0, 30.0]])
#: The second block stands on the first one, where both belong.
TOWER = d(
    block_sizes=SIZES,
    block_positions=np.array([[200.0, 20.0], [203.0, 55.0]]),
    block_angles=np.zeros(2),
    goal_block_positions=np.array([[200.0, 20.0], [200.0, 55.0]]),
    position=np.array([100.0, 300.0]),
)


def run(env, x, y, grab, steps):
    for _ in range(steps):
        obs, _, done = env.step(d(action=np.array([[x, y, grab]], np.float32)))
        if done:
            break
    return {name: value[0] for name, value in flatten(obs).items()}


@needs_pymunk
@pytest.mark.parametrize(
    ("params", "presets"),
    [
        (d(horizon=12), [TOWER]),
        (d(horizon=8, num_blocks=3, imgs=True, img_width=24, block_bbox=True), []),
        (d(horizon=8, num_blocks=1, use_dense_reward=True, action_noise_prob=0.5), []),
    ],
)
def test_contract(params, presets):
    check_env(StackBlockEnv2D, params, presets=presets, steps=15)


@needs_pymunk
def test_starts_stand_still_and_the_place_of_the_tower_is_free():
    env = make(StackBlockEnv2D, d(num_blocks=3))
    for seed in range(20):
        first = {name: value[0] for name, value in env.reset(seed=seed)[0].items()}
        assert env._scene.find_overlap()[0] < 0.01 and not env.is_success()
        seen = run(env, 0, 0, 0, 20)
        np.testing.assert_allclose(seen["block_positions"], first["block_positions"], atol=0.5)
        np.testing.assert_allclose(seen["position"], first["position"], atol=0.5)
        tower, widths = first["goal_block_positions"][0, 0], first["block_sizes"][:, 0]
        assert (np.abs(first["block_positions"][:, 0] - tower) >= (widths + widths.max()) / 2 + 11.9).all()


@needs_pymunk
def test_a_tower_that_stands_is_solved_and_one_that_is_held_is_not():
    env = make(StackBlockEnv2D)
    env.reset(TOWER, seed=0)
    run(env, 0, 0, 0, 1)
    assert env.is_success()
    # The ego right above the upper block holds it.
    env.reset(TOWER & d(position=np.array([203.0, 86.0])), seed=0)
    seen = run(env, 0, 0, 500, 1)
    assert seen["active_constraints"].tolist() == [0, 1] and not env.is_success()
    for wrong in (d(block_positions=np.array([[200.0, 20.0], [120.0, 15.0]])), d(goal_block_positions=np.full((2, 2), 100.0))):
        env.reset(TOWER & wrong, seed=0)
        run(env, 0, 0, 0, 1)
        assert not env.is_success()


@needs_pymunk
def test_a_falling_block_is_not_at_rest():
    env = make(StackBlockEnv2D)
    env.reset(TOWER & d(block_positions=np.array([[200.0, 20.0], [200.0, 66.0]])), seed=0)
    run(env, 0, 0, 0, 1)
    assert not env.is_success()
    run(env, 0, 0, 0, 20)
    assert env.is_success()


@needs_pymunk
def test_the_ego_hovers_and_carries():
    env = make(StackBlockEnv2D, d(done_on_success=False))
    env.reset(TOWER & d(position=np.array([203.0, 86.0])), seed=0)
    run(env, 0, 50, 500, 30)
    seen = run(env, 0, 0, 500, 30)
    np.testing.assert_allclose(seen["position"][1], 86 + 150, atol=1.5)
    np.testing.assert_allclose(seen["block_positions"][1] - seen["position"], [0, -31], atol=1.0)
    seen = run(env, 0, 0, 0, 40)
    assert seen["block_positions"][1, 1] < 56 and abs(seen["position"][1] - 236) < 2


@needs_pymunk
def test_an_episode_begins_again_from_what_was_recorded():
    env = make(StackBlockEnv2D)

    def play(presets, seed):
        rng = np.random.default_rng(0)
        first = {name: value[0] for name, value in env.reset(presets, seed=seed)[0].items()}
        rows = []
        for _ in range(60):
            action = np.append(rng.uniform(-100, 60, 2), 500.0 * (rng.random() < 0.7))
            rows.append(env.step(d(action=action[None].astype(np.float32)))[0]["block_positions"])
        return first, np.array(rows)

    first, rows = play(TOWER & d(position=np.array([203.0, 90.0]), goal_block_positions=np.full((2, 2), 100.0)), 5)
    assert np.ptp(rows, axis=0).max() > 1
    again, others = play(StackBlockEnv2D.get_start(default_env_params(StackBlockEnv2D), first), 9)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    np.testing.assert_array_equal(rows, others)


@needs_pymunk
@pytest.mark.parametrize(
    ("params", "message"), [(d(num_blocks=8), "no room for 9 things"), (d(grid_size=[400.0, 120.0]), "no room for the ego")]
)
def test_no_room(params, message):
    with pytest.raises(EnvError, match=message):
        make(StackBlockEnv2D, params).reset(seed=0)
