"""What the recipes of all worlds of pymunk and of bullet keep."""

import gc

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet, needs_pymunk
from playing import assert_same_rows

from configs.helpers import load_base_config
from muse.envs.env import make_env_spec
from muse.testing import check_env
from muse.utils.abstract import build
from muse.utils.attrdicts import flatten

PYMUNK = ("push_block", "carry_block", "maze", "bottlenecks", "stack_blocks", "arrange_blocks", "slider", "push_t")
BULLET = (
    "block3d_push", "block3d_pull", "block3d_lift", "block3d_place", "block3d_tip", "block3d_rotate", "mug3d_lift", "mug3d_place",
    "mug3d_rotate", "platform3d_onto", "platform3d_off", "platform_mug3d_onto", "playroom_open_drawer", "playroom_close_cabinet",
    "playroom_block_in_drawer", "playroom_press_button",
)  # fmt: skip
#: Options under which actions are noisy, where a world has them.
NOISE = {world: {"action_noise_prob": 0.3} for world in PYMUNK}
#: Steps for which an action is kept, and of a walk after which a state is restored.
HOLD, WALK = dict.fromkeys(PYMUNK, 20) | dict.fromkeys(BULLET, 5), dict.fromkeys(PYMUNK, 45) | dict.fromkeys(BULLET, 15)
WORLDS = [
    *(pytest.param(world, marks=needs_pymunk) for world in PYMUNK),
    *(pytest.param(world, marks=needs_pybullet) for world in BULLET),
]
every_world = pytest.mark.parametrize("world", WORLDS)


def load(world, **options):
    group = {**load_base_config(f"cfgs/env/{world}.py", [])[0], **options}
    return build(d(group), make_env_spec(group["cls"], group), where="env")


def walk(env, steps, hold, seed=0):
    """Returns the rows of a random walk that goes on in one direction for `hold` steps, so that it gets somewhere."""
    rng, leaf, rows = np.random.default_rng(seed), env.env_spec.leaf("action"), []
    for t in range(steps):
        if t % hold == 0:
            action = rng.uniform(leaf.low, leaf.high)[None].astype(np.float32)
        rows.append(flatten(env.step(d(action=action))[0]))
    return rows


def resident():
    """Returns the memory of this process [MiB]."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


@pytest.mark.slow
@every_world
def test_contract(world):
    check_env(load(world, horizon=40, imgs=True, img_width=32), steps=50)


@every_world
def test_a_state_is_restored_in_another_env(world):
    env, other = (load(world, **NOISE.get(world, {})) for _ in range(2))
    env.reset(seed=1)
    last = walk(env, WALK[world], HOLD[world])[-1]
    state = env.get_state()
    rows = walk(env, 15, HOLD[world], seed=1)
    seen = flatten(other.set_state(state)[0])
    assert all(np.array_equal(seen[name], last[name]) for name in env.env_spec.observation_names)
    assert_same_rows(rows, walk(other, 15, HOLD[world], seed=1))


@every_world
def test_a_picture_shows_what_moves(world):
    env = load(world)
    env.reset(seed=0)
    before = env.render()
    walk(env, 20, HOLD[world])
    after = env.render()
    size = before.shape[0]
    assert before.shape == (size, size, 3) and before.dtype == np.uint8
    assert 0.001 < (before != after).any(axis=-1).mean() < 0.5


@every_world
def test_random_steps_keep_to_the_spec(world):
    env = load(world, horizon=10**6, done_on_success=False)
    env.reset(seed=0)
    names = [*env.env_spec.observation_names, *env.env_spec.output_observation_names]
    for row in walk(env, 60, HOLD[world]):
        env.env_spec.check(row, names, (1,), world, limits=True)


@pytest.mark.slow
@every_world
def test_ten_thousand_random_steps(world):
    env = load(world, horizon=10**6, done_on_success=False)
    env.reset(seed=0)
    names = [*env.env_spec.observation_names, *env.env_spec.output_observation_names]
    for row in walk(env, 10_000, HOLD[world]):
        env.env_spec.check(row, names, (1,), world, limits=True)


@pytest.mark.slow
@every_world
def test_a_thousand_resets_keep_no_memory(world):
    env = load(world)

    def reset(times):
        for seed in range(times):
            env.reset(seed=seed)
            walk(env, 2, HOLD[world])
        return resident()

    before = reset(100)
    assert reset(1000) - before < 3
