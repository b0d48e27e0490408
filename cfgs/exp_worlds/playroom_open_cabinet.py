"""Behaviour cloning: an arm opens a cabinet.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/playroom_open_cabinet.npz \\
        cfgs/exp_worlds/playroom_open_cabinet.py %policy cfgs/policy/playroom_open_cabinet_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/playroom_open_cabinet.py
"""

from cfgs import exp_worlds
from cfgs.env import playroom_open_cabinet

export = exp_worlds.of_arm(
    "playroom_open_cabinet",
    playroom_open_cabinet.export,
    ["cabinet/joint_position", "cabinet/handle_position", "cabinet/handle_orientation_eul"],
)
