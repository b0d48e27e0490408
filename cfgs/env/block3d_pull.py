"""A block on a table that an arm is to pull towards itself to a goal."""

from attrdict import AttrDict as d

from muse.envs.bullet_envs.block3d.block_env_3d import BlockEnv3D

export = d(cls=BlockEnv3D, task="pull")
