"""Epochs: each window once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from muse.datasets.samplers.sampler import Sampler, SamplerError
from muse.utils.abstract import Argument
from muse.utils.seeding import make_generator


class SequentialSampler(Sampler):
    """Visits each window once an epoch, shuffled anew in each, or in order.

    Batches are always full: the one that reaches the end of an epoch is filled up with the first windows of the next, so no
    window is dropped and none is repeated within an epoch. The order is a pure function of (seed, epoch). On a dataset that
    grows, an epoch keeps the windows that were there when it began.
    """

    predefined_arguments = [Argument("shuffle", type=bool, default=True, help="shuffle the windows of each epoch")]

    def __init__(self, params: Mapping[str, Any], dataset: Any, batch_size: int, seed: int = 0) -> None:
        super().__init__(params, dataset, batch_size, seed)
        self.epoch = self.position = self._count = 0
        self._order: np.ndarray | None = None

    def next_indices(self) -> np.ndarray:
        """Returns the next batch; see `Sampler`."""
        pieces, wanted = [], self.batch_size
        while wanted:
            if self._order is None:
                self._count = self._count or self.check_windows()
                self._order = self._make_order()
            piece = self._order[self.position : self.position + wanted]
            pieces.append(piece)
            wanted -= len(piece)
            self.position += len(piece)
            if self.position >= self._count:
                self.epoch, self.position, self._count, self._order = self.epoch + 1, 0, 0, None
        return pieces[0].copy() if len(pieces) == 1 else np.concatenate(pieces)

    def state(self) -> dict[str, int]:
        """Returns the epoch, the position in it, and how many windows it has (0: it has not begun)."""
        return {"epoch": self.epoch, "position": self.position, "count": self._count}

    def load_state(self, state: Mapping[str, int]) -> None:
        """Goes to a position.

        Raises:
            SamplerError: When it is no position of this sampler, or the dataset holds fewer windows than the epoch has.
        """
        epoch, position, count = (int(state.get(key, -1)) for key in ("epoch", "position", "count"))
        if min(epoch, position, count) < 0 or position > count:
            raise SamplerError("SequentialSampler.load_state", repr(dict(state)), "what state() returned")
        if count > len(self.dataset):
            raise SamplerError(
                "SequentialSampler.load_state",
                f"an epoch of {count} windows",
                f"at most the dataset's {len(self.dataset)}",
                "the data of the run that is resumed",
            )
        self.epoch, self.position, self._count, self._order = epoch, position, count, None

    def _make_order(self) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self._count)
        return make_generator(self.seed, "epoch", self.epoch).permutation(self._count)
