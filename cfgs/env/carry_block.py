"""A block in the plane, of a size that is drawn, that is to be turned and carried to the pose of its goal."""

from attrdict import AttrDict as d

from muse.envs.pymunk.push_block_env_2d import PushBlockEnv2D

export = d(
    cls=PushBlockEnv2D,
    horizon=300,
    use_goal_angles=True,
    grab_action_binary=True,
    grab_one_only=True,
    block_size_lower=[30.0, 50.0],
    block_size_upper=[40.0, 70.0],
)
