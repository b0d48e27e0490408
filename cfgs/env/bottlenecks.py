"""Three walls with one gap each, drawn anew for each episode, between the top left and the bottom right."""

from attrdict import AttrDict as d

from muse.envs.pymunk.maze_navigation_envs import BottleneckNavigationBlockEnv2D

export = d(cls=BottleneckNavigationBlockEnv2D)
