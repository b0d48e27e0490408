"""Behaviour cloning: an arm closes a cabinet.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/playroom_close_cabinet.npz \\
        cfgs/exp_worlds/playroom_close_cabinet.py %policy cfgs/policy/playroom_close_cabinet_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/playroom_close_cabinet.py
"""

from cfgs import exp_worlds
from cfgs.env import playroom_close_cabinet

export = exp_worlds.of_arm(
    "playroom_close_cabinet",
    playroom_close_cabinet.export,
    ["cabinet/joint_position", "cabinet/handle_position", "cabinet/handle_orientation_eul"],
)
