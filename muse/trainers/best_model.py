"""Which checkpoint is the best one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from muse.utils.errors import OptionError, nearest


@dataclass
class BestModel:
    """Compares the scalars of periodic evaluations, the first one first; of equal ones the later is the better.

    Losses (`holdout/...`) are better when they are lower, everything else when it is higher.

    Args:
        names: Scalars, the most important first; none: nothing is compared.
        values: The best so far, one for each name; None before the first.
        step: The step of the best.
    """

    names: tuple[str, ...]
    values: list[float] | None = None
    step: int = 0
    _signs: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self._signs = [-1.0 if name.startswith("holdout") else 1.0 for name in self.names]

    def take(self, scalars: Mapping[str, float], step: int) -> bool:
        """Returns whether `scalars` are the best so far, and keeps them then. They count when the first name is among them."""
        if not self.names or math.isnan(scalars.get(self.names[0], math.nan)):
            return False
        values = [scalars.get(name, -math.inf * sign) for name, sign in zip(self.names, self._signs, strict=True)]
        if self.values is not None and self._rank(values) < self._rank(self.values):
            return False
        self.values, self.step = values, step
        return True

    def _rank(self, values: Sequence[float]) -> list[float]:
        return [sign * value for sign, value in zip(self._signs, values, strict=True)]


def choose_best_names(track_best_name: str | None, envs: Sequence[str], has_holdout: bool) -> tuple[str, ...]:
    """Returns the scalars that make a model the best.

    Args:
        track_best_name: The option; None for success, then returns, in the last of `envs`, or else the holdout loss.
        envs: Envs with rollouts: `env_train`, `env_holdout`.
        has_holdout: Whether a holdout loss is computed.

    Raises:
        OptionError: For a scalar that this run does not have.
    """
    if track_best_name is None:
        if envs:
            return f"{envs[-1]}/success", f"{envs[-1]}/returns"
        return ("holdout/loss",) if has_holdout else ()
    known = [f"{env}/{what}" for env in envs for what in ("success", "returns", "length")] + ["holdout/loss"] * has_holdout
    if track_best_name not in known and not (has_holdout and track_best_name.startswith("holdout/")):
        raise OptionError(
            "trainer: 'track_best_name'",
            f"'{track_best_name}'{nearest(track_best_name, known)}, which this run does not compute",
            "one of " + (", ".join(known) or "none: there are neither rollouts nor a holdout loss"),
        )
    return (track_best_name,)
