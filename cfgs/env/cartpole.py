"""A pole on a cart, to be kept upright for 500 steps (Gymnasium). Solved from a return of 475, as its registry says."""

from attrdict import AttrDict as d

from muse.envs.simple.gym_env import GymEnv

export = d(cls=GymEnv, env_type="CartPole-v1", success_return=475.0)
