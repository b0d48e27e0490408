"""Behaviour cloning: an arm lifts a mug.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/mug3d_lift.npz \\
        cfgs/exp_worlds/mug3d_lift.py %policy cfgs/policy/mug3d_lift_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/mug3d_lift.py
"""

from cfgs import exp_worlds
from cfgs.env import mug3d_lift

export = exp_worlds.of_arm("mug3d_lift", mug3d_lift.export, [*exp_worlds.OBJECTS, *exp_worlds.PLACES])
