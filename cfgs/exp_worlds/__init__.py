"""What the recipes of the worlds have in common: a perceptron that sees the present row, learned from a thousand episodes.

The scripted experts act upon what they see at the moment alone, so nothing is gained by a memory; `--horizon 10 %model cfgs/model/bc_rnn.py
--normalize_states` tries one. How well each does is in docs/worlds.md.
"""

from attrdict import AttrDict as d

from cfgs.dataset import np_seq
from cfgs.model import bc_mlp
from cfgs.policy import gcbc
from cfgs.trainer import goal_trainer
from configs.fields import Field as F
from muse.envs.vector_env import VectorEnv
from muse.trainers.optimizers import CosineRate

data = np_seq.export & d(file=F("dataset", "data/worlds/{}.npz".format))

export = d(
    device="cpu",
    seed=0,
    batch_size=512,
    horizon=1,
    exp_name="worlds/{?seed:s{seed}_}b{batch_size}_h{horizon}_{dataset}",
    dataset_train=data & d(load_episode_range=[0.0, 0.95]),
    dataset_holdout=data & d(load_episode_range=[0.95, 1.0]),
    vector_env=d(cls=VectorEnv, num_envs=25),
    model=bc_mlp.export & d(device=F("device"), action_decoder=d(mlp_size=256, mlp_depth=3), normalize_states=True),
    policy=gcbc.export,
    trainer=goal_trainer.export
    & d(
        max_steps=20000,
        holdout_every_n_steps=100,
        rollout_train_env_every_n_steps=5000,
        rollout_train_env_n_per_step=50,
        save_every_n_steps=5000,
        ema_decay=0.995,
        optimizer=d(
            base_scheduler=d(
                cls=CosineRate,
                warmup_steps=F("trainer/max_steps", lambda steps: min(200, steps // 10)),
                total_steps=F("trainer/max_steps"),
            ),
        ),
    ),
)
