"""A block that is to be put into the open drawer of a desk."""

from attrdict import AttrDict as d

from muse.envs.bullet_envs.block3d.playroom_env_3d import DrawerPlayroomEnv3D

export = d(cls=DrawerPlayroomEnv3D, task="block_in_drawer")
