"""Behaviour cloning with a recurrent policy and a mixture of five Gaussians, trained by likelihood (robomimic's BC-RNN-GMM)."""

from attrdict import AttrDict as d

from cfgs.model import bc_rnn

export = bc_rnn.export & d(action_decoder=d(use_policy_dist=True, policy_num_mix=5))
