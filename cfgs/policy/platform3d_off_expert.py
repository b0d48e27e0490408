"""Demonstrates the task off of PlatformBlockEnv3D, as the task onto is demonstrated."""

from cfgs.policy import platform3d_onto_expert

export = platform3d_onto_expert.export
