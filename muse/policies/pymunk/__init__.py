"""Scripted experts of the worlds of blocks; they act by observations and need no pymunk."""
