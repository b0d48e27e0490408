"""A mug on a table that an arm is to put onto a platform along its edge."""

from attrdict import AttrDict as d

from muse.envs.bullet_envs.block3d.platform_block_env_3d import PlatformMugEnv3D

export = d(cls=PlatformMugEnv3D, task="onto")
