"""Preprocessors: names made from the recorded ones, episode by episode. See `muse.datasets.preprocess.preprocessor`."""

from muse.datasets.preprocess.function_preprocessor import FunctionPreprocessor
from muse.datasets.preprocess.preprocessor import Preprocessor
from muse.datasets.preprocess.returns import NStepReward, RewardToGo

__all__ = ["FunctionPreprocessor", "NStepReward", "Preprocessor", "RewardToGo"]
