from attrdict import AttrDict as d

from muse.policies.controllers.point_mass import PointMassExpert

export = d(
    cls=PointMassExpert,
    timeout=0,
)
