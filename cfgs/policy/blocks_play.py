"""Plays in PushBlockEnv2D with goal poses: pushes a block somewhere, carries and turns it, and so on without end."""

from attrdict import AttrDict as d

from cfgs.policy import carry_block_expert, push_block_expert
from muse.policies.meta_policy import MetaPolicy

export = d(
    cls=MetaPolicy,
    policies=["push", "carry"],
    max_steps_per_policy=200,
    push=push_block_expert.export & d(draws_goals=True),
    carry=carry_block_expert.export & d(draws_goals=True),
)
