"""Demonstrates PushTEnv2D, with noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.pymunk.push_t import PushTExpert

export = d(
    cls=PushTExpert,
    ego_size=20.0,
    gain=10.0,
    action_noise_std=0.1,
)
