"""Demonstrates the task onto of PlatformMugEnv3D, with slips and noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.bullet.grasping import PlaceExpert

export = d(
    cls=PlaceExpert,
    action_noise_std=0.05,
    slip_probability=0.03,
    slip_size=0.4,
    round=True,
)
