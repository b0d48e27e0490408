"""Worlds of blocks in the plane, moved by pymunk."""
