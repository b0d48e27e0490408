"""The contract of samplers. The loop that calls it (`muse.trainers`):

sampler = dataset.get_sampler(seed)
inputs, outputs = dataset.draw_batch(sampler)
state = sampler.state()             # goes into the checkpoint
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sized
from typing import Any

import numpy as np

from muse.utils.abstract import BaseClass
from muse.utils.errors import MuseError
from muse.utils.seeding import derive_seed


class SamplerError(MuseError):
    """A sampler that has nothing to draw from, or a state that is not its own."""


class Sampler(BaseClass, ABC):
    """Says which windows make the next batch. What it draws is a pure function of (seed, state, number of windows).

    Args:
        params: The options of the class.
        dataset: Its length, the number of windows, is asked for at every draw: it may grow. One that forgets windows says in
            `first_window` how many have left.
        batch_size: Windows in a batch.
        seed: Root of the order.
    """

    def __init__(self, params: Mapping[str, Any], dataset: Sized, batch_size: int, seed: int = 0) -> None:
        self.read_predefined_params(params)
        if batch_size < 1:
            raise SamplerError(type(self).__name__, f"batch_size {batch_size}", "at least 1")
        self.dataset, self.batch_size, self.seed = dataset, batch_size, seed

    @abstractmethod
    def next_indices(self) -> np.ndarray:
        """Returns the windows of the next batch, `(B,)` int64.

        Raises:
            SamplerError: When there are no windows.
        """

    @abstractmethod
    def state(self) -> dict[str, int]:
        """Returns the position, plain whole numbers."""

    @abstractmethod
    def load_state(self, state: Mapping[str, int]) -> None:
        """Goes to a position that `state` returned."""

    def draw_key(self) -> int:
        """Returns a number of 63 bits for what is random in the next batch: a function of the seed and the position."""
        return derive_seed(self.seed, "draw", *(f"{name}={value}" for name, value in sorted(self.state().items())))

    def check_windows(self) -> int:
        """Returns the number of windows.

        Raises:
            SamplerError: When there are none.
        """
        count = len(self.dataset)
        if count == 0:
            raise SamplerError(
                type(self).__name__, "no windows to draw from", "at least one", "add episodes first, or shorten the horizon"
            )
        return count


def read_state(sampler: Sampler, state: Mapping[str, int], names: tuple[str, ...]) -> list[int]:
    """Returns the whole numbers of a state, 0 or more, in the order of `names`.

    Raises:
        SamplerError: When the state has other names or values: it is another sampler's.
    """
    values = [state[name] for name in names] if set(state) == set(names) else [-1]
    if any(not isinstance(value, int) or isinstance(value, bool) or value < 0 for value in values):
        raise SamplerError(f"{type(sampler).__name__}.load_state", repr(dict(state)), "what state() returned")
    return values
