import sys

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pymunk
from playing import assert_same_rows

from muse.envs.env import make
from muse.envs.pymunk.push_block_env_2d import PushBlockEnv2D
from muse.envs.pymunk.push_t_env_2d import PushTEnv2D
from muse.utils.attrdicts import flatten

pytestmark = needs_pymunk


def walk(env, steps=80):
    """Returns the rows of a walk to the first block and on."""
    rng, rows = np.random.default_rng(0), []
    env.reset(seed=2)
    for _ in range(steps):
        way = np.subtract(env._state.block_positions[0], env._state.position)
        action = np.append(5 * way + rng.normal(0, 30, 2), 500.0 * (rng.random() < 0.1))
        rows.append(flatten(env.step(d(action=action[None].astype(np.float32)))[0]))
    return rows


@pytest.mark.parametrize(("cls", "params"), [(PushBlockEnv2D, d(num_blocks=4)), (PushTEnv2D, d(num_blocks=2, block_size=60.0))])
def test_plain_steps_are_pymunks_to_the_bit(cls, params, monkeypatch):
    env = make(cls, params & d(done_on_success=False))
    rows = walk(env)
    assert env._scene._step_on != env._scene.space.step
    assert np.ptp([row["block_positions"] for row in rows], axis=0).max() > 1

    monkeypatch.setitem(sys.modules, "pymunk._chipmunk_cffi", None)
    other = make(cls, params & d(done_on_success=False))
    assert_same_rows(walk(other), rows)
    assert other._scene._step_on == other._scene.space.step


def test_what_is_read_at_once_is_what_each_body_says():
    env = make(PushBlockEnv2D, d(num_blocks=3, grab_action_binary=True, use_goal_angles=True, done_on_success=False))
    walk(env)
    state, held = env._scene.read(), env._scene
    assert state.position == tuple(held.ego.position) and state.velocity == tuple(held.ego.velocity)
    assert state.block_positions == [tuple(body.position) for body in held.blocks]
    assert state.block_velocities == [tuple(body.velocity) for body in held.blocks]
    assert state.block_angular_velocities == [body.angular_velocity for body in held.blocks]
    np.testing.assert_allclose(np.exp(1j * np.array(state.block_angles)), np.exp([1j * body.angle for body in held.blocks]))
    assert any(state.block_velocities) and len(set(state.block_angles)) == 3
