"""Behaviour cloning: an arm pushes a block to a goal.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/block3d_push.npz \\
        cfgs/exp_worlds/block3d_push.py %policy cfgs/policy/block3d_push_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/block3d_push.py
"""

from cfgs import exp_worlds
from cfgs.env import block3d_push

export = exp_worlds.of_arm("block3d_push", block3d_push.export, [*exp_worlds.OBJECTS, *exp_worlds.PLACES])
