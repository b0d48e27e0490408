"""A block in the plane that is to be pushed to a goal."""

from attrdict import AttrDict as d

from muse.envs.pymunk.push_block_env_2d import PushBlockEnv2D

export = d(cls=PushBlockEnv2D, horizon=200)
