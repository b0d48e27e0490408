"""Behaviour cloning: an arm opens a drawer.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/playroom_open_drawer.npz \\
        cfgs/exp_worlds/playroom_open_drawer.py %policy cfgs/policy/playroom_open_drawer_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/playroom_open_drawer.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import playroom_open_drawer

export = exp_worlds.recurrent & d(
    dataset="playroom_open_drawer",
    env_train=playroom_open_drawer.export & d(control_mode="delta_pose", object_offsets=True),
    model=d(
        state_names=[
            "ee_position",
            "ee_orientation_eul",
            "gripper_pos",
            "finger_left_contact",
            "finger_right_contact",
            "drawer/joint_position",
            "drawer/handle_position",
        ],
    ),
)
