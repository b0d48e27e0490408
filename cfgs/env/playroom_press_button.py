"""A desk with three buttons, one of which is to be pressed."""

from attrdict import AttrDict as d

from muse.envs.bullet_envs.block3d.playroom_env_3d import DrawerButtonPlayroomEnv3D

export = d(cls=DrawerButtonPlayroomEnv3D, task="press_button")
