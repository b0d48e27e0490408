"""Behaviour cloning: an arm lifts a mug.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/mug3d_lift.npz \\
        cfgs/exp_worlds/mug3d_lift.py %policy cfgs/policy/mug3d_lift_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/mug3d_lift.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import mug3d_lift

export = exp_worlds.recurrent & d(
    dataset="mug3d_lift",
    env_train=mug3d_lift.export & d(control_mode="delta_pose", object_offsets=True),
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
