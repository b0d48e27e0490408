"""Behaviour cloning: an arm puts a block on a pedestal.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/block3d_place.npz \\
        cfgs/exp_worlds/block3d_place.py %policy cfgs/policy/block3d_place_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/block3d_place.py
"""

from cfgs import exp_worlds
from cfgs.env import block3d_place

export = exp_worlds.of_arm("block3d_place", block3d_place.export, [*exp_worlds.OBJECTS, *exp_worlds.PLACES])
