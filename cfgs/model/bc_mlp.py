"""Behaviour cloning with a perceptron that sees one row at a time: no memory."""

from attrdict import AttrDict as d

from cfgs.model import bc_rnn
from muse.models.bc.action_decoders import MLPActionDecoder

export = bc_rnn.model & d(
    action_decoder=bc_rnn.head
    & d(
        cls=MLPActionDecoder,
        exp_name="_mlp-ms{mlp_size}-md{mlp_depth}{?use_policy_dist:-pd{policy_num_mix}}",
        mlp_size=256,
        mlp_depth=3,
        dropout_p=0.0,
    )
)
