"""Environments: `Env` is the contract, `make` builds one, `VectorEnv` steps several together."""

from muse.envs.env import Env, EnvError, make
from muse.envs.failure import EnvFailure
from muse.envs.vector_env import VectorEnv

__all__ = ["Env", "EnvError", "EnvFailure", "VectorEnv", "make"]
