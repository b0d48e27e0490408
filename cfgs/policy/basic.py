"""A model without memory, called with the names that it reads; `policy_model_forward_fn` calls it otherwise."""

from attrdict import AttrDict as d

from muse.policies.basic_policy import BasicPolicy

export = d(
    cls=BasicPolicy,
    policy_model_forward_fn=None,
    timeout=0,
)
