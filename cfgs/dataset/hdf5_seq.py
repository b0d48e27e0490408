"""Windows of a robomimic .hdf5 file, read from there as they are asked for: `%dataset_train --file data/square/ph.hdf5`."""

from attrdict import AttrDict as d

from configs.fields import Field as F
from muse.datasets import Hdf5Dataset
from muse.datasets.samplers import SequentialSampler

export = d(
    cls=Hdf5Dataset,
    pad_end_sequence=True,
    horizon=F("horizon"),
    batch_size=F("batch_size"),
    sampler=d(cls=SequentialSampler, shuffle=True),
)
