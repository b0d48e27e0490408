"""Lift of robosuite: a Panda lifts a cube."""

from attrdict import AttrDict as d

from muse.envs.robosuite.robosuite_env import RobosuiteEnv

export = d(cls=RobosuiteEnv, env_name="Lift", num_steps=200)
