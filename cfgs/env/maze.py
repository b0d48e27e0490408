"""A maze, drawn anew for each episode, through which a box finds its way to a goal."""

from attrdict import AttrDict as d

from muse.envs.pymunk.maze_navigation_envs import NavigationBlockEnv2D

export = d(cls=NavigationBlockEnv2D, num_maze_cells=5)
