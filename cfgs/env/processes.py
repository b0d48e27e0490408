"""Envs in processes of their own, for simulators: `%vector_env --num_envs 16` on a larger machine."""

from attrdict import AttrDict as d

from muse.envs.vector_env import VectorEnv

export = d(cls=VectorEnv, num_envs=8, mode="process")
