"""Behaviour cloning: an arm puts a mug onto a platform.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/platform_mug3d_onto.npz \\
        cfgs/exp_worlds/platform_mug3d_onto.py %policy cfgs/policy/platform_mug3d_onto_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/platform_mug3d_onto.py
"""

from cfgs import exp_worlds
from cfgs.env import platform_mug3d_onto

export = exp_worlds.of_arm("platform_mug3d_onto", platform_mug3d_onto.export, [*exp_worlds.OBJECTS, *exp_worlds.PLACES])
