"""The real Panda's loop, limits and watchdog on a simulated arm above an empty table: nothing is to be done but to move."""

from attrdict import AttrDict as d

from muse.envs.polymetis.simulated_panda_env import SimulatedPandaEnv

export = d(cls=SimulatedPandaEnv)
