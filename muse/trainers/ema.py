"""An exponential moving average of the weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch


class WeightAverage:
    """Keeps `average <- d * average + (1 - d) * weights` of every trained parameter.

    `d` rises from 2 / 11 to `decay` as `(1 + n) / (10 + n)` over the first updates `n`, so that the random start is soon
    forgotten (the rule of TensorFlow's ExponentialMovingAverage). Buffers are not averaged: the model's own count.

    Args:
        model: Its parameters are read at each update.
        decay: Between 0 and 1; about `1 / (1 - decay)` updates are averaged.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._average = [parameter.detach().clone() for parameter in self._parameters]

    @torch.no_grad()
    def restart(self) -> None:
        """Begins anew from the present weights."""
        self.updates = 0
        torch._foreach_copy_(self._average, self._parameters)

    @torch.no_grad()
    def update(self) -> None:
        """Takes the present weights into the average."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self._average, self._parameters, 1.0 - decay)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Puts the average into the model for the block and the trained weights back after it, bit by bit."""
        trained = [parameter.detach().clone() for parameter in self._parameters]
        try:
            with torch.no_grad():
                torch._foreach_copy_(self._parameters, self._average)
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self._parameters, trained)

    def state(self) -> dict[str, Any]:
        """Returns plain values and tensors."""
        return {"updates": self.updates, "average": list(self._average)}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Reverses `state`."""
        self.updates = state["updates"]
        for own, saved in zip(self._average, state["average"], strict=True):
            own.copy_(saved)
