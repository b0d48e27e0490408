"""Behaviour cloning: an arm puts a mug on a pedestal.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/mug3d_place.npz \\
        cfgs/exp_worlds/mug3d_place.py %policy cfgs/policy/mug3d_place_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/mug3d_place.py
"""

from cfgs import exp_worlds
from cfgs.env import mug3d_place

export = exp_worlds.of_arm("mug3d_place", mug3d_place.export, [*exp_worlds.OBJECTS, *exp_worlds.PLACES])
