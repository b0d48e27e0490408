"""Action heads: `ActionHead` is the contract, one file for each kind."""

from muse.models.heads.categorical_head import CategoricalHead
from muse.models.heads.deterministic_head import DeterministicHead
from muse.models.heads.gaussian_head import GaussianHead, GaussianMixtureHead
from muse.models.heads.head import ActionHead

__all__ = ["ActionHead", "CategoricalHead", "DeterministicHead", "GaussianHead", "GaussianMixtureHead"]
