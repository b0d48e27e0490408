"""PickPlaceCan of robosuite: a Panda puts a can into its bin."""

from attrdict import AttrDict as d

from muse.envs.robosuite.robosuite_env import RobosuiteEnv

export = d(cls=RobosuiteEnv, env_name="PickPlaceCan", num_steps=400)
