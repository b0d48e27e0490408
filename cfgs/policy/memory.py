"""A model with its memory, called with the names that it reads; `policy_model_forward_fn` calls it otherwise."""

from attrdict import AttrDict as d

from muse.policies.memory_policy import MemoryPolicy

export = d(
    cls=MemoryPolicy,
    policy_model_forward_fn=None,
    timeout=0,
)
