"""Behaviour cloning: an arm closes a cabinet.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/playroom_close_cabinet.npz \\
        cfgs/exp_worlds/playroom_close_cabinet.py %policy cfgs/policy/playroom_close_cabinet_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/playroom_close_cabinet.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import playroom_close_cabinet

export = exp_worlds.recurrent & d(
    dataset="playroom_close_cabinet",
    env_train=playroom_close_cabinet.export & d(control_mode="delta_pose", object_offsets=True),
    model=d(
        state_names=[
            "ee_position",
            "ee_orientation_eul",
            "gripper_pos",
            "finger_left_contact",
            "finger_right_contact",
            "cabinet/joint_position",
            "cabinet/handle_position",
            "cabinet/handle_orientation_eul",
        ],
    ),
)
