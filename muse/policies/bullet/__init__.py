"""Scripted experts of the worlds of bullet; they act by observations and need no pybullet."""
