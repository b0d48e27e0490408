"""Demonstrates close_drawer in a playroom, with noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.bullet.playroom import CloseDrawerExpert

export = d(
    cls=CloseDrawerExpert,
    action_noise_std=0.1,
)
