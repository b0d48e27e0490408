"""Demonstrates close_cabinet in a playroom, with noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.bullet.playroom import CloseCabinetExpert

export = d(
    cls=CloseCabinetExpert,
    action_noise_std=0.1,
)
