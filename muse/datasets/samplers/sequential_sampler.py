"""Epochs: each window once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from muse.datasets.samplers.sampler import Sampler, SamplerError, read_state
from muse.utils.abstract import Argument
from muse.utils.seeding import make_generator


class SequentialSampler(Sampler):
    """Visits each window once an epoch, shuffled anew in each, or in order.

    Batches are always full: the one that reaches the end of an epoch is filled up with the first windows of the next, so no
    window is dropped and none is repeated within an epoch. The order is a pure function of (seed, epoch, number of windows).
    On a dataset that grows, an epoch keeps the windows that were there when it began; those that have left since are skipped.
    """

    predefined_arguments = [Argument("shuffle", type=bool, default=True, help="shuffle the windows of each epoch")]

    shuffle: bool

    def __init__(self, params: Mapping[str, Any], dataset: Any, batch_size: int, seed: int = 0) -> None:
        super().__init__(params, dataset, batch_size, seed)
        self.epoch = self.position = self._count = 0
        # Number of the epoch's first window, counted over all windows that the dataset ever had.
        self._first = 0
        self._order: np.ndarray | None = None

    def next_indices(self) -> np.ndarray:
        """Returns the next batch; see `Sampler`."""
        pieces, wanted = [], self.batch_size
        while wanted:
            self._begin()
            assert self._order is not None
            piece = self._order[self.position : self.position + wanted]
            self.position += len(piece)
            if self._left():
                piece = piece[piece >= self._left()] - self._left()
            pieces.append(piece)
            wanted -= len(piece)
            if self.position >= self._count:
                self.epoch, self.position, self._count, self._order = self.epoch + 1, 0, 0, None
        return pieces[0].copy() if len(pieces) == 1 else np.concatenate(pieces)

    def state(self) -> dict[str, int]:
        """Returns the epoch, the position in it, how many windows it has (0: it has not begun), how many of them have left."""
        return {"epoch": self.epoch, "position": self.position, "count": self._count, "left": self._left()}

    def load_state(self, state: Mapping[str, int]) -> None:
        """Goes to a position.

        Raises:
            SamplerError: When it is no position of this sampler, or the dataset holds fewer windows than the epoch has.
        """
        values = read_state(self, state, ("epoch", "position", "count", "left"))
        epoch, position, count, left = values
        if position > count or left > count:
            raise SamplerError("SequentialSampler.load_state", repr(dict(state)), "what state() returned")
        if count - left > len(self.dataset):
            got, there = f"an epoch of {count - left} windows", f"at most the dataset's {len(self.dataset)}"
            raise SamplerError("SequentialSampler.load_state", got, there, "the data of the run that is resumed")
        self.epoch, self.position, self._count, self._order = epoch, position, count, None
        self._first = self._gone() - left

    def _begin(self) -> None:
        if not self._count:
            self._count, self._first = self.check_windows(), self._gone()
        if self._order is None:
            rng = make_generator(self.seed, "epoch", self.epoch)
            self._order = rng.permutation(self._count) if self.shuffle else np.arange(self._count)

    def _gone(self) -> int:
        return getattr(self.dataset, "first_window", 0)

    def _left(self) -> int:
        return min(self._gone() - self._first, self._count) if self._count else 0
