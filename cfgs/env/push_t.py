"""A T that is to be pushed to a pose."""

from attrdict import AttrDict as d

from muse.envs.pymunk.push_t_env_2d import PushTEnv2D

export = d(cls=PushTEnv2D, horizon=400)
