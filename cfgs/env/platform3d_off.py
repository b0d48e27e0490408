"""A block on a platform along the edge of a table that an arm is to put on the table."""

from attrdict import AttrDict as d

from muse.envs.bullet_envs.block3d.platform_block_env_3d import PlatformBlockEnv3D

export = d(cls=PlatformBlockEnv3D, task="off")
