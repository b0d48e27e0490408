from attrdict import AttrDict as d

from muse.policies.controllers.classic_control import CartPoleExpert

export = d(
    cls=CartPoleExpert,
    timeout=0,
)
