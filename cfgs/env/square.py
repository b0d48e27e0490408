"""NutAssemblySquare of robosuite: a Panda fits a square nut on its peg, from state. 400 steps of 20 Hz at most."""

from attrdict import AttrDict as d

from muse.envs.robosuite.robosuite_env import RobosuiteEnv

export = d(cls=RobosuiteEnv, env_name="NutAssemblySquare", num_steps=400)
