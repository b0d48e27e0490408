"""A point that chases a moving target around circular obstacles."""

from attrdict import AttrDict as d

from muse.envs.simple.point_mass_env import PointMassEnv

export = d(cls=PointMassEnv, num_obstacles=3)
