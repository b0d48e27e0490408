"""The one name that robomimic reads."""

from mujoco import FatalError as MujocoException

__all__ = ["MujocoException"]
