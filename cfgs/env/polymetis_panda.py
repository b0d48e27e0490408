"""A real Panda by way of polymetis: armed by its user, led by changes of the pose of its tip, ten times a second."""

from attrdict import AttrDict as d

from muse.envs.polymetis.polymetis_panda_env import PolymetisPandaEnv

export = d(cls=PolymetisPandaEnv)
