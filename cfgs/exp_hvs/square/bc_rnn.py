"""Behaviour cloning of NutAssemblySquare from state: an LSTM of 2x400 under squared error, 400,000 steps.

    python scripts/goal_train.py --wandb_tags square:bc cfgs/exp_hvs/square/bc_rnn.py
    python scripts/eval.py --max_eps 100 --track_returns \\
        --exp=experiments/hvsBlock3D/velact_b256_h10_human_square_30k_bc-l2_lstm-hs400-ps0

It learns from `data/hvsBlock3D/human_square_30k.npz`, which is converted from robomimic's demonstrations. Without them:

    python scripts/collect.py --max_eps 200 --only_successful --save_file data/hvsBlock3D/scripted_square_30k.npz \\
        cfgs/exp_hvs/square/bc_rnn.py %policy cfgs/policy/square_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_hvs/square/bc_rnn.py --dataset scripted_square_30k
"""

from attrdict import AttrDict as d

from cfgs.dataset import square as square_data
from cfgs.env import processes, square
from cfgs.model import bc_rnn
from cfgs.policy import gcbc
from cfgs.trainer import rm_goal_trainer
from configs.fields import Field as F

export = d(
    device="cuda",
    seed=0,
    batch_size=256,
    horizon=10,
    dataset="human_square_30k",
    exp_name="hvsBlock3D/velact_{?seed:s{seed}_}b{batch_size}_h{horizon}_{dataset}",
    env_train=square.export,
    vector_env=processes.export,
    dataset_train=square_data.export & d(load_episode_range=[0.0, 0.9]),
    dataset_holdout=square_data.export & d(load_episode_range=[0.9, 1.0]),
    model=bc_rnn.export & d(device=F("device")),
    policy=gcbc.export,
    trainer=rm_goal_trainer.export,
)
