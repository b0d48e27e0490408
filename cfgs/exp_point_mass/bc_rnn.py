"""Behaviour cloning with a recurrent net on the point mass, from a scripted expert's demonstrations."""

from attrdict import AttrDict as d

from cfgs.dataset import np_seq
from cfgs.env import point_mass
from cfgs.model import bc_rnn
from cfgs.policy import gcbc
from cfgs.trainer import goal_trainer
from configs.fields import Field as F
from muse.envs.vector_env import VectorEnv

data = np_seq.export & d(file=F("dataset", "data/point_mass/{}.npz".format))

export = d(
    device="cpu",
    seed=0,
    batch_size=256,
    horizon=10,
    dataset="scripted_200",
    exp_name="point_mass/{?seed:s{seed}_}b{batch_size}_h{horizon}_{dataset}",
    env_train=point_mass.export,
    dataset_train=data & d(load_episode_range=[0.0, 0.9]),
    dataset_holdout=data & d(load_episode_range=[0.9, 1.0]),
    vector_env=d(cls=VectorEnv, num_envs=16),
    model=bc_rnn.export & d(device=F("device"), action_decoder=d(hidden_size=64), normalize_states=True),
    policy=gcbc.export,
    trainer=goal_trainer.export
    & d(
        max_steps=2000,
        holdout_every_n_steps=50,
        rollout_train_env_every_n_steps=250,
        rollout_train_env_n_per_step=50,
        save_every_n_steps=500,
    ),
)
