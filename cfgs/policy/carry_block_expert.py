"""Demonstrates PushBlockEnv2D with goal poses, with noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.pymunk.push_block import CarryBlockExpert

export = d(
    cls=CarryBlockExpert,
    action_noise_std=0.1,
)
