"""Demonstrations of NutAssemblySquare: `data/hvsBlock3D/<dataset>.npz`, by its name in the root's `dataset`."""

from attrdict import AttrDict as d

from cfgs.dataset import np_seq
from configs.fields import Field as F

export = np_seq.export & d(
    file=F("dataset", "data/hvsBlock3D/{}.npz".format),
    # Recorded by Muse's own collection alone, and of no use in training.
    onetime_names=[],
)
