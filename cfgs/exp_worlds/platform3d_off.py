"""Behaviour cloning: an arm takes a block off a platform.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/platform3d_off.npz \\
        cfgs/exp_worlds/platform3d_off.py %policy cfgs/policy/platform3d_off_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/platform3d_off.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import platform3d_off

export = exp_worlds.recurrent & d(
    dataset="platform3d_off",
    env_train=platform3d_off.export & d(control_mode="delta_pose", object_offsets=True),
    model=d(
        state_names=[
            "ee_position",
            "ee_orientation_eul",
            "gripper_pos",
            "finger_left_contact",
            "finger_right_contact",
            "objects/position",
            "objects/orientation_eul",
            "objects/contact",
            "objects/offset",
            "goals/position",
            "goals/offset",
        ],
    ),
)
