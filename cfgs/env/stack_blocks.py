"""Two blocks under gravity that are to be stacked at a given place."""

from attrdict import AttrDict as d

from muse.envs.pymunk.stack_block_env_2d import StackBlockEnv2D

export = d(cls=StackBlockEnv2D, num_blocks=2)
