from attrdict import AttrDict as d

from muse.policies.random_policy import RandomPolicy

export = d(
    cls=RandomPolicy,
    timeout=0,
)
