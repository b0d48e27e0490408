"""Demonstrates ArrangeBlockEnv2D, with noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.pymunk.stack_block import StackBlockExpert

export = d(
    cls=StackBlockExpert,
    ego_size=30.0,
    action_noise_std=0.1,
)
