"""A desk whose drawer is to be closed."""

from attrdict import AttrDict as d

from muse.envs.bullet_envs.block3d.playroom_env_3d import DrawerPlayroomEnv3D

export = d(cls=DrawerPlayroomEnv3D, task="close_drawer")
