"""Demonstrates block_in_drawer in a playroom, with noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.bullet.playroom import BlockInDrawerExpert

export = d(
    cls=BlockInDrawerExpert,
    action_noise_std=0.1,
)
