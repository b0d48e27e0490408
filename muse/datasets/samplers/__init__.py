"""Samplers: which windows make the next batch. See `muse.datasets.samplers.sampler` for the contract."""

from muse.datasets.samplers.sampler import Sampler, SamplerError
from muse.datasets.samplers.sequential_sampler import SequentialSampler
from muse.datasets.samplers.uniform_sampler import UniformSampler

__all__ = ["Sampler", "SamplerError", "SequentialSampler", "UniformSampler"]
