"""Demonstrates SliderBlockEnv2D, with noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.pymunk.push_block import PushBlockExpert

export = d(
    cls=PushBlockExpert,
    close=4.0,
    action_noise_std=0.1,
)
