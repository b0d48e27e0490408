"""Behaviour cloning: a block is pushed to its goal.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/push_block.npz \\
        cfgs/exp_worlds/push_block.py %policy cfgs/policy/push_block_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/push_block.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import push_block

export = exp_worlds.export & d(dataset="push_block", env_train=push_block.export & d(block_offsets=True))
