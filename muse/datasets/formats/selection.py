"""Which episodes of a dataset a conversion takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.loading import numbers_of_split


@dataclass(frozen=True)
class Selection:
    """Episodes of a dataset, in its order.

    Attributes:
        numbers: `(E,)` int64, their numbers there.
        begins, ends: `(E,)` int64, their first row there and the row after their last.
        splits: The named splits, in numbers of the chosen episodes.
        counts: How many episodes each split had there.
    """

    numbers: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    splits: dict[str, list[int]]
    counts: dict[str, int]

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each, `(E,)` int64."""
        return self.ends - self.begins

    def meta(self, meta: Mapping[str, Any]) -> dict[str, Any]:
        """Returns meta data with the splits of the chosen episodes."""
        return {**meta, "splits": self.splits} if "splits" in meta else dict(meta)


def select(ends: np.ndarray, splits: Mapping[str, list[int]], wanted: Iterable[str], where: str) -> Selection:
    """Returns the episodes of the splits `wanted`, all of them when it is empty.

    Args:
        ends: `(E,)`, the row after each episode's last.
        splits: Numbers of episodes by name.

    Raises:
        DataError: For a split that is not there or lists what is not there, and when nothing is left.
    """
    wanted = tuple(wanted)
    listed = {name: numbers_of_split(splits, name, len(ends), where) for name in (*splits, *wanted)}
    chosen = {number for name in wanted for number in listed[name].tolist()}
    numbers = np.array(sorted(chosen) if wanted else range(len(ends)), np.int64)
    if not len(numbers):
        raise DataError(where, "no episodes", "at least one to convert")
    new = {number: place for place, number in enumerate(numbers.tolist())}
    renumbered = {name: [new[number] for number in listed[name].tolist() if number in new] for name in splits}
    begins = np.concatenate([[0], ends[:-1]]).astype(np.int64)[numbers]
    return Selection(numbers, begins, ends[numbers], renumbered, {name: len(listed[name]) for name in splits})
