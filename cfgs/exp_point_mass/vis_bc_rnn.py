"""Behaviour cloning from pictures alone on the point mass: where the ego, its target and the obstacles are is in the picture.

    python scripts/collect.py --max_eps 100 --save_file data/point_mass/scripted_100_imgs.muse \\
        cfgs/exp_point_mass/vis_bc_rnn.py %policy cfgs/policy/point_mass_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_point_mass/vis_bc_rnn.py
"""

from attrdict import AttrDict as d

from cfgs.dataset import np_seq
from cfgs.exp_point_mass import bc_rnn
from cfgs.model import vis_bc_rnn
from configs.fields import Field as F

data = np_seq.export & d(file=F("dataset", "data/point_mass/{}.muse".format))

export = bc_rnn.export & d(
    batch_size=32,
    dataset="scripted_100_imgs",
    env_train=d(imgs=True),
    dataset_train=data & d(load_episode_range=[0.0, 0.9]),
    dataset_holdout=data & d(load_episode_range=[0.9, 1.0]),
    model=vis_bc_rnn.export
    & d(
        device=F("device"),
        # The task is to see where things are: the whole picture, at the map's finest.
        image_encoder=d(trunk="conv", crop_frac=1.0),
        action_decoder=d(hidden_size=64),
    ),
    trainer=d(
        max_steps=2000,
        autocast="bf16",
        ema_decay=0.99,
        holdout_every_n_steps=100,
        rollout_train_env_every_n_steps=500,
        save_every_n_steps=500,
    ),
)
