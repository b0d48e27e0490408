"""Behaviour cloning: two blocks are stacked.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/stack_blocks.npz \\
        cfgs/exp_worlds/stack_blocks.py %policy cfgs/policy/stack_blocks_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/stack_blocks.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import stack_blocks

export = exp_worlds.export & d(dataset="stack_blocks", env_train=stack_blocks.export & d(block_offsets=True))
