"""Behaviour cloning: an arm presses one of three buttons.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/playroom_press_button.npz \\
        cfgs/exp_worlds/playroom_press_button.py %policy cfgs/policy/playroom_press_button_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/playroom_press_button.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import playroom_press_button

export = exp_worlds.recurrent & d(
    dataset="playroom_press_button",
    env_train=playroom_press_button.export & d(control_mode="delta_pose", object_offsets=True),
    model=d(
        state_names=[
            "ee_position",
            "ee_orientation_eul",
            "gripper_pos",
            "finger_left_contact",
            "finger_right_contact",
            "buttons/position",
            "buttons/joint_position",
            "goals/button",
        ],
    ),
)
