"""Behaviour cloning: an arm puts a mug onto a platform.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/platform_mug3d_onto.npz \\
        cfgs/exp_worlds/platform_mug3d_onto.py %policy cfgs/policy/platform_mug3d_onto_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/platform_mug3d_onto.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import platform_mug3d_onto

export = exp_worlds.recurrent & d(
    dataset="platform_mug3d_onto",
    env_train=platform_mug3d_onto.export & d(control_mode="delta_pose", object_offsets=True),
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
