"""Worlds of pybullet: a Panda arm at a table."""
