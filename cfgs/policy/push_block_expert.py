"""Demonstrates PushBlockEnv2D, with noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.pymunk.push_block import PushBlockExpert

export = d(
    cls=PushBlockExpert,
    action_noise_std=0.1,
)
