"""Learning rates as functions of the step.

Each is a factor on the rate that the base optimiser was given. Being pure functions of the number of steps taken, they have
no state that could be lost; torch's own schedulers can be used in their place.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from muse.utils.abstract import Argument, BaseClass
from muse.utils.errors import OptionError


class LearningRate(BaseClass, ABC):
    """A factor on the learning rate.

    The first `warmup_steps` steps rise linearly to the full rate; what the class says begins after them.
    """

    predefined_arguments = [
        Argument(
            "warmup_steps", type=int, default=0, help="optimiser steps over which the rate rises linearly from 0", unit="steps"
        ),
    ]

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.read_predefined_params(params)
        if self.warmup_steps < 0:
            raise OptionError(f"{type(self).__name__}: 'warmup_steps'", str(self.warmup_steps), "0 or more")

    def factor(self, step: int) -> float:
        """Returns the factor for the step after `step` steps."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        return self.factor_after_warmup(step - self.warmup_steps)

    @abstractmethod
    def factor_after_warmup(self, step: int) -> float:
        """Returns the factor for the step after `step` steps since the warm-up."""


class ConstantRate(LearningRate):
    """The full rate for ever."""

    def factor_after_warmup(self, step: int) -> float:
        """Returns 1."""
        return 1.0


class _FallingRate(LearningRate):
    predefined_arguments = LearningRate.predefined_arguments + [
        Argument(
            "total_steps", type=int, required=True, help="optimiser steps, warm-up included, until the final factor", unit="steps"
        ),
        Argument("final_factor", type=float, default=0.0, help="factor at `total_steps` and after"),
    ]

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        if self.total_steps <= self.warmup_steps:
            raise OptionError(
                f"{type(self).__name__}: 'total_steps'", str(self.total_steps), f"more than warmup_steps ({self.warmup_steps})"
            )

    def fraction(self, step: int) -> float:
        return min(1.0, step / (self.total_steps - self.warmup_steps))


class LinearRate(_FallingRate):
    """Falls on a straight line to `final_factor`."""

    def factor_after_warmup(self, step: int) -> float:
        """Returns the point on the line."""
        return 1.0 + (self.final_factor - 1.0) * self.fraction(step)


class CosineRate(_FallingRate):
    """Falls along half a cosine to `final_factor` (Loshchilov and Hutter, SGDR, arXiv 1608.03983, without restarts)."""

    def factor_after_warmup(self, step: int) -> float:
        """Returns the point on the cosine."""
        return self.final_factor + (1.0 - self.final_factor) * 0.5 * (1.0 + math.cos(math.pi * self.fraction(step)))


class ExponentialRate(LearningRate):
    """Halves every `half_life` steps, down to `final_factor`."""

    predefined_arguments = LearningRate.predefined_arguments + [
        Argument("half_life", type=float, required=True, help="optimiser steps in which the rate halves", unit="steps"),
        Argument("final_factor", type=float, default=0.0, help="the factor never falls below this"),
    ]

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        if self.half_life <= 0:
            raise OptionError("ExponentialRate: 'half_life'", str(self.half_life), "more than 0")

    def factor_after_warmup(self, step: int) -> float:
        """Returns the power of one half."""
        return max(self.final_factor, 0.5 ** (step / self.half_life))
