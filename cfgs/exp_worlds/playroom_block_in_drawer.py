"""Behaviour cloning: an arm puts a block into a drawer.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/playroom_block_in_drawer.npz \\
        cfgs/exp_worlds/playroom_block_in_drawer.py %policy cfgs/policy/playroom_block_in_drawer_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/playroom_block_in_drawer.py
"""

from cfgs import exp_worlds
from cfgs.env import playroom_block_in_drawer

export = exp_worlds.of_arm(
    "playroom_block_in_drawer",
    playroom_block_in_drawer.export,
    ["drawer/joint_position", "drawer/handle_position", *exp_worlds.OBJECTS],
)
