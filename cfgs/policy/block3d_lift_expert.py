"""Demonstrates the task lift of BlockEnv3D, with slips and noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.bullet.grasping import LiftExpert

export = d(
    cls=LiftExpert,
    action_noise_std=0.1,
    slip_probability=0.03,
    slip_size=0.7,
)
