"""Optimisers: a torch optimiser, a schedule and clipping as one group of a recipe."""

from muse.trainers.optimizers.learning_rates import ConstantRate, CosineRate, ExponentialRate, LearningRate, LinearRate
from muse.trainers.optimizers.optimizer import Optimizer
from muse.trainers.optimizers.single_optimizer import SingleOptimizer

__all__ = ["ConstantRate", "CosineRate", "ExponentialRate", "LearningRate", "LinearRate", "Optimizer", "SingleOptimizer"]
