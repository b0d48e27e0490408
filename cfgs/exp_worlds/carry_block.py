"""Behaviour cloning: a block is turned and carried to the pose of its goal.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/carry_block.npz \\
        cfgs/exp_worlds/carry_block.py %policy cfgs/policy/carry_block_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/carry_block.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import carry_block

export = exp_worlds.export & d(
    dataset="carry_block",
    env_train=carry_block.export & d(block_offsets=True),
    # Without velocities, and angles that mean the same after half a turn.
    model=d(
        state_names=[
            "position",
            "block_positions",
            "active_constraints",
            "block_offsets",
            "block_axes",
            "goal_block_offsets",
            "goal_block_turns",
        ],
    ),
)
