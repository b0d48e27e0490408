"""Behaviour cloning: an arm turns a mug.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/mug3d_rotate.npz \\
        cfgs/exp_worlds/mug3d_rotate.py %policy cfgs/policy/mug3d_rotate_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/mug3d_rotate.py
"""

from cfgs import exp_worlds
from cfgs.env import mug3d_rotate

export = exp_worlds.of_arm("mug3d_rotate", mug3d_rotate.export, [*exp_worlds.OBJECTS, "goals/yaw"])
