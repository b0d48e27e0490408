"""Behaviour cloning: a way through three gaps.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/bottlenecks.npz \\
        cfgs/exp_worlds/bottlenecks.py %policy cfgs/policy/bottlenecks_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/bottlenecks.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import bottlenecks

export = exp_worlds.export & d(dataset="bottlenecks", env_train=bottlenecks.export)
