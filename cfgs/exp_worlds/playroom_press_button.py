"""Behaviour cloning: an arm presses one of three buttons.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/playroom_press_button.npz \\
        cfgs/exp_worlds/playroom_press_button.py %policy cfgs/policy/playroom_press_button_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/playroom_press_button.py
"""

from cfgs import exp_worlds
from cfgs.env import playroom_press_button

export = exp_worlds.of_arm(
    "playroom_press_button", playroom_press_button.export, ["buttons/position", "buttons/joint_position", "goals/button"]
)
