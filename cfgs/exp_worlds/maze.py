"""Behaviour cloning: a way through a maze that is the same for all episodes; where it begins and ends is drawn.

What a maze looks like is a param, not an observation: a policy of states knows one maze, by heart.

    python scripts/collect.py --max_eps 1000 --only_successful --save_file data/worlds/maze.npz \\
        cfgs/exp_worlds/maze.py %policy cfgs/policy/maze_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_worlds/maze.py
"""

from attrdict import AttrDict as d

from cfgs import exp_worlds
from cfgs.env import maze

export = exp_worlds.export & d(
    dataset="maze",
    env_train=maze.export
    & d(fixed_np_maze=[[6, 4, 5, 5, 13], [10, 11, 6, 5, 12], [2, 12, 10, 14, 10], [10, 10, 11, 2, 9], [11, 3, 5, 1, 13]]),
)
