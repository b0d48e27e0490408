"""Environments: `Env` is the contract, `make` builds one, `VectorEnv` steps several together."""

from typing import TYPE_CHECKING, Any

from muse.envs.env import Env, EnvError, make

if TYPE_CHECKING:
    from muse.envs.vector_env import VectorEnv

__all__ = ["Env", "EnvError", "VectorEnv", "make"]


def __getattr__(name: str) -> Any:
    # VectorEnv brings gymnasium, which an env alone does not need.
    if name == "VectorEnv":
        from muse.envs.vector_env import VectorEnv

        return VectorEnv
    raise AttributeError(f"module 'muse.envs' has no attribute '{name}'")
