import math

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pymunk

from muse.envs.env import make, make_env_spec
from muse.envs.pymunk.maze_navigation_envs import NavigationBlockEnv2D
from muse.envs.pymunk.push_block_env_2d import PushBlockEnv2D
from muse.envs.pymunk.push_t_env_2d import PushTEnv2D

OFFSETS = ["block_offsets", "block_axes", "goal_block_offsets", "goal_block_turns"]


@needs_pymunk
@pytest.mark.parametrize(
    ("cls", "params", "repeats"),
    [
        (PushBlockEnv2D, d(num_blocks=2, use_goal_angles=True), 4),
        (PushBlockEnv2D, d(use_goal_angles=True, block_size_lower=[30.0, 50.0], block_size_upper=[40.0, 60.0]), 2),
        (PushTEnv2D, d(), 1),
    ],
)
def test_offsets_are_what_they_say(cls, params, repeats):
    env = make(cls, params & d(block_offsets=True))
    for obs in (env.reset(seed=0)[0], env.step(d(action=np.array([[80, -30, 0]], np.float32)))[0]):
        for i, (place, angle) in enumerate(zip(obs.block_positions[0], obs.block_angles[0], strict=True)):
            assert np.array_equal(obs.block_offsets[0, i], place - obs.position[0])
            assert np.array_equal(obs.goal_block_offsets[0, i], obs.goal_block_positions[0, i] - place)
            assert np.allclose(obs.block_axes[0, i], [math.cos(repeats * angle), math.sin(repeats * angle)], atol=1e-6)
            whole = [obs.goal_block_angles[0, i] - angle + 2 * math.pi * k / repeats for k in range(-9, 10)]
            assert obs.goal_block_turns[0, i] == pytest.approx(min(whole, key=abs), abs=1e-5)


@needs_pymunk
def test_only_what_is_there_has_offsets():
    assert not any(name in make_env_spec(NavigationBlockEnv2D, d(block_offsets=True)) for name in OFFSETS)
    names = make_env_spec(PushBlockEnv2D, d(block_offsets=True)).observation_names
    assert [name for name in names if name in OFFSETS] == OFFSETS[:3]
    assert not any(name in make_env_spec(PushBlockEnv2D) for name in OFFSETS)
