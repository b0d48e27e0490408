"""Training for robosuite's tasks: 400,000 steps, 50 rollouts every 20,000; holdout loss and saves along the way.

`%trainer --max_steps 50000`, `%trainer %%optimizer %%%base_optimizer --lr 1e-3`.
"""

from attrdict import AttrDict as d

from cfgs.trainer import goal_trainer

export = goal_trainer.export & d(
    max_steps=400000,
    holdout_every_n_steps=50,
    block_env_on_first_n_steps=20000,
    rollout_train_env_every_n_steps=20000,
    rollout_train_env_n_per_step=50,
    no_data_saving=True,
    log_every_n_steps=1000,
    save_every_n_steps=20000,
    save_checkpoint_every_n_steps=100000,
    optimizer=d(base_optimizer=d(lr=1e-4)),
)
