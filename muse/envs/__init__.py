"""Environments: `Env` is the contract, `make` builds one, `VectorEnv` steps several together."""

from muse.envs.env import Env, EnvError, make

__all__ = ["Env", "EnvError", "make"]
