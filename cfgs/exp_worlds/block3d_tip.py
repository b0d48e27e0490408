"""Behaviour cloning: an arm tips a block over.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/block3d_tip.npz \\
        cfgs/exp_worlds/block3d_tip.py %policy cfgs/policy/block3d_tip_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/block3d_tip.py
"""

from cfgs import exp_worlds
from cfgs.env import block3d_tip

export = exp_worlds.of_arm("block3d_tip", block3d_tip.export, [*exp_worlds.OBJECTS, "goals/direction"])
