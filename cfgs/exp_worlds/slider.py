"""Behaviour cloning: blocks are pushed along their grooves.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/slider.npz \\
        cfgs/exp_worlds/slider.py %policy cfgs/policy/slider_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/slider.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import slider

export = exp_worlds.export & d(dataset="slider", env_train=slider.export & d(block_offsets=True))
