"""Behaviour cloning from pictures: an encoder for the cameras, then the recurrent policy of `bc_rnn`.

The policy sees the pictures of the env and what `state_names` lists beside them. `%model --state_names robot0_eef_pos robot0_eef_quat`,
`%model %%image_encoder --trunk conv --img_embed_size 32`, `%model %%image_encoder --color_jitter 0.3 0.3 0.3 0.05`.
"""

from attrdict import AttrDict as d

from cfgs.model import bc_rnn
from muse.models.vision import VisionEncoder

export = bc_rnn.export & d(
    exp_name="_vis-{image_encoder/trunk}-{image_encoder/img_embed_size}{?image_encoder/frozen:-fz}" + bc_rnn.model.exp_name,
    state_names=[],
    state_encoder_order=["image_encoder"],
    image_encoder=d(
        cls=VisionEncoder,
        trunk="resnet18",
        norm="group",
        pool="spatial_softmax",
        num_keypoints=32,
        img_embed_size=64,
        use_shared_params=False,
        crop_frac=0.9,
        color_jitter=[],
        noise_std=0.0,
        weights_file=None,
        frozen=False,
    ),
)
