"""Three blocks under gravity, each of which is to go to a place of its own on the floor."""

from attrdict import AttrDict as d

from muse.envs.pymunk.arrange_block_env_2d import ArrangeBlockEnv2D

export = d(cls=ArrangeBlockEnv2D, num_blocks=3)
