"""The contract of optimisers. The loop that calls it (`muse.trainers.learner`):

result = model.loss(inputs, outputs)
norm = optimizer.step(result.loss, want_norm=writing)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch

from muse.utils.abstract import BaseClass


class Optimizer(BaseClass, ABC):
    """Changes the parameters of a model so that a loss falls.

    Args:
        params: The options of the class.
        model: Those of its parameters that require a gradient are trained.
    """

    def __init__(self, params: Mapping[str, Any], model: torch.nn.Module) -> None:
        self.read_predefined_params(params)
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    @abstractmethod
    def step(self, loss: torch.Tensor, want_norm: bool = False) -> torch.Tensor | None:
        """Goes one step down `loss`, then one step along the schedule.

        Returns:
            The 2-norm of the gradient before clipping, a scalar tensor on its device, where it was known or wanted.
        """

    @property
    @abstractmethod
    def learning_rates(self) -> list[float]:
        """The rate of each parameter group at the next step."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Returns plain values and tensors from which `load_state` goes on to the bit."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Reverses `state`."""
