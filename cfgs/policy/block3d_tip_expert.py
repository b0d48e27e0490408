"""Demonstrates the task tip of BlockEnv3D, with slips and noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.bullet.tipping import TipExpert

export = d(
    cls=TipExpert,
    action_noise_std=0.1,
    slip_probability=0.03,
    slip_size=0.7,
)
