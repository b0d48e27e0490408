"""Demonstrates open_cabinet in a playroom, with noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.bullet.playroom import OpenCabinetExpert

export = d(
    cls=OpenCabinetExpert,
    action_noise_std=0.1,
)
