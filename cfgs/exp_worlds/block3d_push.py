"""Behaviour cloning: an arm pushes a block to a goal.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/block3d_push.npz \\
        cfgs/exp_worlds/block3d_push.py %policy cfgs/policy/block3d_push_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/block3d_push.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import block3d_push

export = exp_worlds.recurrent & d(
    dataset="block3d_push",
    env_train=block3d_push.export & d(control_mode="delta_pose", object_offsets=True),
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
