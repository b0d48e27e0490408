from attrdict import AttrDict as d

from muse.policies.controllers.classic_control import PendulumExpert

export = d(
    cls=PendulumExpert,
    timeout=0,
)
