"""Behaviour cloning with a perceptron that plans `chunk` actions from one row, to be executed while the next are computed
(`muse.serving.chunk_executor`). `muse eval` takes the first of them at every step. The windows it learns from are as long, or longer.
"""

from attrdict import AttrDict as d

from cfgs.model import bc_mlp

export = bc_mlp.export & d(
    action_decoder=d(
        exp_name="_mlp-ms{mlp_size}-md{mlp_depth}-k{chunk}{?use_policy_dist:-pd{policy_num_mix}}",
        chunk=8,
    )
)
