"""Behaviour cloning with a recurrent policy and one Gaussian, trained by likelihood."""

from attrdict import AttrDict as d

from cfgs.model import bc_rnn

export = bc_rnn.export & d(action_decoder=d(use_policy_dist=True))
