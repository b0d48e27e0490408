"""`GymEnv` under its short name."""

from muse.envs.simple.gym_env import GymEnv

__all__ = ["GymEnv"]
