"""When something is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muse.utils.errors import OptionError


@dataclass(frozen=True)
class Schedule:
    """Due at every multiple of `every`, from step `first` on. Step `k` is the `k`-th; 0 is before the first.

    Args:
        every: Steps between two times; 0: never. [steps]
        first: No time before this step. [steps]
    """

    every: int
    first: int = 0

    def is_due(self, step: int) -> bool:
        """Returns whether it is to happen at `step`."""
        return self.every > 0 and step >= self.first and step % self.every == 0


def schedules_for(option: str, every: int, per_dataset: Sequence[int], count: int, first: int = 0) -> list[Schedule]:
    """Returns one schedule per dataset.

    Args:
        option: The option's name, for the message.
        every: For every dataset that `per_dataset` does not name.
        per_dataset: One number for each dataset; empty when they share `every`.
        count: Number of datasets.

    Raises:
        OptionError: When `per_dataset` has another length.
    """
    if per_dataset and len(per_dataset) != count:
        raise OptionError(f"trainer: '{option}_per_dataset'", f"{len(per_dataset)} numbers", f"one for each of {count} datasets")
    return [Schedule(number, first) for number in (per_dataset or [every] * count)]
