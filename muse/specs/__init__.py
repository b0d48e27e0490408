"""What crosses between the nouns: the spec of an environment, episodes, losses, statistics."""

from muse.specs.env_spec import EnvSpec
from muse.specs.episode import SUCCESS, Episode
from muse.specs.leaf import Leaf
from muse.specs.loss_result import LossResult
from muse.specs.statistics import Statistics

__all__ = ["SUCCESS", "EnvSpec", "Episode", "Leaf", "LossResult", "Statistics"]
