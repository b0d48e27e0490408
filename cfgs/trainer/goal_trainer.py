"""Adam on one batch a step; evaluation, holdout loss and saves as the recipe says.

`%trainer %%optimizer %%%base_optimizer --lr 1e-3`, `%trainer --rollout_train_env_every_n_steps 1000`.
"""

import torch
from attrdict import AttrDict as d

from cfgs.policy import random
from muse.trainers.goal_trainer import GoalTrainer
from muse.trainers.optimizers import SingleOptimizer

export = d(
    cls=GoalTrainer,
    max_steps=400000,
    train_every_n_steps=1,
    holdout_every_n_steps=50,
    block_env_on_first_n_steps=0,
    random_policy_on_first_n_steps=0,
    rollout_train_env_every_n_steps=0,
    rollout_train_env_n_per_step=50,
    step_train_env_every_n_steps=0,
    step_train_env_n_per_step=1,
    no_data_saving=False,
    log_every_n_steps=1000,
    write_to_tensorboard_every_n_train_steps=20,
    save_every_n_steps=20000,
    save_checkpoint_every_n_steps=0,
    optimizer=d(
        cls=SingleOptimizer,
        base_optimizer=d(cls=torch.optim.Adam, lr=1e-3),
    ),
    random_policy=random.export,
)
