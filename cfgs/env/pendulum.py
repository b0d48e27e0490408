"""A pendulum to be swung up by a motor that is too weak to lift it at once (Gymnasium).

200 steps of negative rewards; a return from -400 counts as solved (a random policy gets about -1200, the scripted one -150)."""

from attrdict import AttrDict as d

from muse.envs.simple.gym_env import GymEnv

export = d(cls=GymEnv, env_type="Pendulum-v1", success_return=-400.0)
