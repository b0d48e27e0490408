"""Behaviour cloning: an arm closes a drawer.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/playroom_close_drawer.npz \\
        cfgs/exp_worlds/playroom_close_drawer.py %policy cfgs/policy/playroom_close_drawer_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/playroom_close_drawer.py
"""

from cfgs import exp_worlds
from cfgs.env import playroom_close_drawer

export = exp_worlds.of_arm(
    "playroom_close_drawer", playroom_close_drawer.export, ["drawer/joint_position", "drawer/handle_position"]
)
