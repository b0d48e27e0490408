"""Two blocks that are to be pushed to goals in the grooves in which they slide."""

from attrdict import AttrDict as d

from muse.envs.pymunk.slider_env_2d import SliderBlockEnv2D

export = d(cls=SliderBlockEnv2D, num_blocks=2)
