"""Samplers: which windows make the next batch. See `muse.datasets.samplers.sampler` for the contract."""

from muse.datasets.samplers.mixture_sampler import MixtureSampler
from muse.datasets.samplers.sampler import Sampler, SamplerError
from muse.datasets.samplers.sequential_sampler import SequentialSampler
from muse.datasets.samplers.uniform_sampler import UniformSampler
from muse.datasets.samplers.weighted_sampler import WeightedSampler

__all__ = ["MixtureSampler", "Sampler", "SamplerError", "SequentialSampler", "UniformSampler", "WeightedSampler"]
