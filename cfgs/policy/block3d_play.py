"""Plays with a block on bullet's table: pushes, pulls, lifts, turns and moves it, one after another without end."""

from attrdict import AttrDict as d

from cfgs.policy import block3d_lift_expert, block3d_place_expert, block3d_pull_expert, block3d_push_expert, block3d_rotate_expert
from muse.policies.meta_policy import MetaPolicy

own = d(draws_goals=True)

export = d(
    cls=MetaPolicy,
    policies=["push", "pull", "lift", "rotate", "place"],
    max_steps_per_policy=80,
    push=block3d_push_expert.export & own,
    pull=block3d_pull_expert.export & own,
    lift=block3d_lift_expert.export & own,
    rotate=block3d_rotate_expert.export & own,
    place=block3d_place_expert.export & own,
)
