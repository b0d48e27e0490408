"""Behaviour cloning of NutAssemblySquare as robomimic's BC-RNN-GMM: a mixture of five normal distributions, batches of 100.

python scripts/goal_train.py --no_wandb cfgs/exp_hvs/square/bc_rnn_gmm.py --dataset scripted_square_30k
"""

from attrdict import AttrDict as d

from cfgs.exp_hvs.square import bc_rnn
from cfgs.model import bc_rnn_gmm
from configs.fields import Field as F

export = bc_rnn.export & d(
    batch_size=100,
    model=bc_rnn_gmm.export & d(device=F("device"), action_decoder=d(policy_sig_min=1e-4)),
)
