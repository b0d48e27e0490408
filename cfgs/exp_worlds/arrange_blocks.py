"""Behaviour cloning: three blocks go to places of their own.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/arrange_blocks.npz \\
        cfgs/exp_worlds/arrange_blocks.py %policy cfgs/policy/arrange_blocks_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/arrange_blocks.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import arrange_blocks

export = exp_worlds.export & d(dataset="arrange_blocks", env_train=arrange_blocks.export & d(block_offsets=True))
