"""A mug on a table that an arm is to lift."""

from attrdict import AttrDict as d

from muse.envs.bullet_envs.block3d.mug_env_3d import MugEnv3D

export = d(cls=MugEnv3D, task="lift")
