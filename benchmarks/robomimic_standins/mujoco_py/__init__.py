"""A stand-in: robomimic's `EnvRobosuite` asks mujoco_py, which MuJoCo has replaced, which exception it raises."""

from mujoco_py import builder

__all__ = ["builder"]
