"""Demonstrates the world of cfgs/env/maze.py, with noise from which it recovers."""

from attrdict import AttrDict as d

from muse.policies.pymunk.maze_expert import MazeExpert

export = d(
    cls=MazeExpert,
    action_noise_std=0.1,
)
