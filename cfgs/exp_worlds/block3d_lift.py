"""Behaviour cloning: an arm lifts a block.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/block3d_lift.npz \\
        cfgs/exp_worlds/block3d_lift.py %policy cfgs/policy/block3d_lift_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/block3d_lift.py
"""

from cfgs import exp_worlds
from cfgs.env import block3d_lift

export = exp_worlds.of_arm("block3d_lift", block3d_lift.export, [*exp_worlds.OBJECTS, *exp_worlds.PLACES])
