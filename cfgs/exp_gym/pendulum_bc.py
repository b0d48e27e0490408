"""Behaviour cloning on Pendulum-v1: a perceptron, from a scripted controller's demonstrations.

    python scripts/collect.py --max_eps 50 --save_file data/gym/pendulum_50.npz \
        cfgs/exp_gym/pendulum_bc.py %policy cfgs/policy/pendulum_expert.py
    python scripts/goal_train.py cfgs/exp_gym/pendulum_bc.py
"""

from attrdict import AttrDict as d

from cfgs.dataset import np_seq
from cfgs.env import pendulum
from cfgs.model import bc_mlp
from cfgs.policy import gcbc
from cfgs.trainer import goal_trainer
from configs.fields import Field as F
from muse.envs.vector_env import VectorEnv

data = np_seq.export & d(file=F("dataset", "data/gym/{}.npz".format))

export = d(
    device="cpu",
    seed=0,
    batch_size=256,
    horizon=1,
    dataset="pendulum_50",
    exp_name="gym/pendulum/{?seed:s{seed}_}b{batch_size}_{dataset}",
    env_train=pendulum.export,
    dataset_train=data & d(load_episode_range=[0.0, 0.9]),
    dataset_holdout=data & d(load_episode_range=[0.9, 1.0]),
    vector_env=d(cls=VectorEnv, num_envs=10),
    model=bc_mlp.export & d(action_decoder=d(mlp_size=64, mlp_depth=3), normalize_states=True),
    policy=gcbc.export,
    trainer=goal_trainer.export
    & d(
        max_steps=2000,
        holdout_every_n_steps=50,
        rollout_train_env_every_n_steps=1000,
        rollout_train_env_n_per_step=20,
        save_every_n_steps=500,
    ),
)
