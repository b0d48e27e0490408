"""Behaviour cloning of NutAssemblySquare from two cameras and the hand's own pose; where the nut is, is in the pictures.

    python scripts/collect.py --max_eps 200 --only_successful --save_file data/hvsBlock3D/scripted_square_30k_imgs.muse \\
        cfgs/exp_hvs/square/bc_rnn_imgs.py %policy cfgs/policy/square_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_hvs/square/bc_rnn_imgs.py

It is meant for a GPU; `bc_rnn_imgs_quick` is the same at the size of a CPU.
"""

from attrdict import AttrDict as d

from cfgs.dataset import square as square_data
from cfgs.exp_hvs.square import bc_rnn_gmm
from cfgs.model import vis_bc_rnn
from configs.fields import Field as F

data = square_data.export & d(file=F("dataset", "data/hvsBlock3D/{}.muse".format))

export = bc_rnn_gmm.export & d(
    batch_size=16,
    dataset="scripted_square_30k_imgs",
    exp_name="hvsBlock3D/vis_{?seed:s{seed}_}b{batch_size}_h{horizon}_{dataset}",
    env_train=d(imgs=True, ego_imgs=True),
    dataset_train=data & d(load_episode_range=[0.0, 0.9]),
    dataset_holdout=data & d(load_episode_range=[0.9, 1.0]),
    model=vis_bc_rnn.export
    & d(
        device=F("device"),
        state_names=["robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos"],
        normalize_states=True,
        action_decoder=d(use_policy_dist=True, policy_num_mix=5, policy_sig_min=0.03),
    ),
    trainer=d(autocast="bf16", ema_decay=0.999, prefetch_batches=2),
)
