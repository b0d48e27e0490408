"""What the recipes of all worlds of blocks keep."""

import gc

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pymunk

from configs.helpers import load_base_config
from muse.envs.env import make_env_spec
from muse.testing import check_env
from muse.utils.abstract import build
from muse.utils.attrdicts import flatten

pytestmark = needs_pymunk
WORLDS = ("push_block", "carry_block", "maze", "bottlenecks", "stack_blocks", "arrange_blocks", "slider", "push_t")


def load(world, **options):
    group = {**load_base_config(f"cfgs/env/{world}.py", [])[0], **options}
    return build(d(group), make_env_spec(group["cls"], group), where="env")


def walk(env, steps, seed=0):
    """Returns the rows of a random walk that goes on in one direction for a while, so that it gets somewhere."""
    rng, leaf, rows = np.random.default_rng(seed), env.env_spec.leaf("action"), []
    for t in range(steps):
        if t % 20 == 0:
            action = rng.uniform(leaf.low, leaf.high)[None].astype(np.float32)
        rows.append(flatten(env.step(d(action=action))[0]))
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_contract(world):
    check_env(load(world, horizon=40, imgs=True, img_width=32), steps=50)


@pytest.mark.parametrize("world", WORLDS)
def test_a_state_is_restored_in_another_env(world):
    env, other = load(world, action_noise_prob=0.3), load(world, action_noise_prob=0.3)
    env.reset(seed=1)
    last = walk(env, 45)[-1]
    state = env.get_state()
    rows = walk(env, 30, seed=1)
    seen = flatten(other.set_state(state)[0])
    assert all(np.array_equal(seen[name], last[name]) for name in env.env_spec.observation_names)
    for row, again in zip(rows, walk(other, 30, seed=1), strict=True):
        assert all(np.array_equal(row[name], again[name]) for name in row)


@pytest.mark.parametrize("world", WORLDS)
def test_a_picture_shows_what_moves(world):
    env = load(world)
    env.reset(seed=0)
    before = env.render()
    walk(env, 20)
    after = env.render()
    assert before.shape == (400, 400, 3) and before.dtype == np.uint8
    assert 200 < (before != after).any(axis=-1).sum() < 20000


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_ten_thousand_random_steps(world):
    env = load(world, horizon=10**6, done_on_success=False)
    env.reset(seed=0)
    names = [*env.env_spec.observation_names, *env.env_spec.output_observation_names]
    for row in walk(env, 10_000):
        env.env_spec.check(row, names, (1,), world, limits=True)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_a_thousand_resets_keep_no_memory(world):
    env = load(world)

    def reset(times):
        for seed in range(times):
            env.reset(seed=seed)
            walk(env, 2)
        gc.collect()
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096 / 2**20

    before = reset(100)
    assert reset(1000) - before < 3
