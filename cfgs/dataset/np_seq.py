"""Windows of episodes in memory, each once an epoch, in shuffled order."""

from attrdict import AttrDict as d

from configs.fields import Field as F
from muse.datasets import NpDataset
from muse.datasets.samplers import SequentialSampler

export = d(
    cls=NpDataset,
    frozen=True,
    pad_end_sequence=True,
    horizon=F("horizon"),
    batch_size=F("batch_size"),
    sampler=d(cls=SequentialSampler, shuffle=True),
)
