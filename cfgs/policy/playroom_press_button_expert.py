"""Demonstrates press_button in a playroom, with noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.bullet.playroom import PressButtonExpert

export = d(
    cls=PressButtonExpert,
    action_noise_std=0.1,
)
