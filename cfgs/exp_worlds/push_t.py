"""Behaviour cloning: a T is pushed to a pose.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/push_t.npz \\
        cfgs/exp_worlds/push_t.py %policy cfgs/policy/push_t_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/push_t.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import push_t

export = exp_worlds.export & d(dataset="push_t", env_train=push_t.export & d(block_offsets=True))
