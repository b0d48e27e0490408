"""Behaviour cloning on CartPole-v1: a perceptron with a categorical head, from a scripted controller's demonstrations.

    python scripts/collect.py --max_eps 50 --save_file data/gym/cartpole_50.npz \
        cfgs/exp_gym/cartpole_bc.py %policy cfgs/policy/cartpole_expert.py
    python scripts/goal_train.py cfgs/exp_gym/cartpole_bc.py
"""

from attrdict import AttrDict as d

from cfgs.dataset import np_seq
from cfgs.env import cartpole
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
    dataset="cartpole_50",
    exp_name="gym/cartpole/{?seed:s{seed}_}b{batch_size}_{dataset}",
    env_train=cartpole.export,
    dataset_train=data & d(load_episode_range=[0.0, 0.9]),
    dataset_holdout=data & d(load_episode_range=[0.9, 1.0]),
    vector_env=d(cls=VectorEnv, num_envs=10),
    model=bc_mlp.export
    & d(
        exp_name="_bc-nll{?normalize_states:-ns}",
        action_decoder=d(mlp_size=64, mlp_depth=2, use_tanh_out=False),
        normalize_states=True,
    ),
    policy=gcbc.export,
    trainer=goal_trainer.export
    & d(
        max_steps=1000,
        holdout_every_n_steps=50,
        rollout_train_env_every_n_steps=500,
        rollout_train_env_n_per_step=20,
        save_every_n_steps=500,
    ),
)
