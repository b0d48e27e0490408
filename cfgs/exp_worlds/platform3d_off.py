"""Behaviour cloning: an arm takes a block off a platform.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/platform3d_off.npz \\
        cfgs/exp_worlds/platform3d_off.py %policy cfgs/policy/platform3d_off_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/platform3d_off.py
"""

from cfgs import exp_worlds
from cfgs.env import platform3d_off

export = exp_worlds.of_arm("platform3d_off", platform3d_off.export, [*exp_worlds.OBJECTS, *exp_worlds.PLACES])
