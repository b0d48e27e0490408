"""Batches mixed from several datasets in given proportions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from muse.datasets.samplers.sampler import Sampler, SamplerError
from muse.utils.abstract import Argument
from muse.utils.seeding import derive_seed, make_generator


class MixtureSampler(Sampler):
    """Draws from each part of a `ConcatDataset` in proportion to its weight.

    With `w` the share of a part's weight in the sum of all, every batch of `B` windows has `B * w` of the part where that is
    whole, else one of the two whole numbers next to it, at random such that the mean is `B * w`. Which windows of the part they
    are says its own sampler: by default each once an epoch of that part, shuffled.

    Windows of one part stand together in a batch. How many there are of each is a function of (seed, number of batches drawn).
    """

    predefined_arguments = [
        Argument(
            "weights",
            type=list,
            element_type=float,
            help="a weight of 0 or more for each part, in order; none: its number of windows, at every draw",
        ),
    ]

    weights: list[float] | None

    def __init__(self, params: Mapping[str, Any], dataset: Any, batch_size: int, seed: int = 0) -> None:
        super().__init__(params, dataset, batch_size, seed)
        self.batches = 0
        if not hasattr(dataset, "parts"):
            raise SamplerError("MixtureSampler", f"a {type(dataset).__name__}", "a ConcatDataset")
        self.samplers = [part.get_sampler(derive_seed(seed, "part", i)) for i, part in enumerate(dataset.parts)]
        if self.weights is None:
            return
        weights = np.asarray(self.weights, np.float64)
        if len(weights) != len(self.samplers):
            raise SamplerError(
                "MixtureSampler: 'weights'", f"{len(weights)} numbers", f"one for each of {len(self.samplers)} parts"
            )
        if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.sum() > 0:
            raise SamplerError("MixtureSampler: 'weights'", repr(self.weights), "finite numbers of 0 or more, not all 0")

    def next_indices(self) -> np.ndarray:
        """Returns the next batch; see `Sampler`.

        Raises:
            SamplerError: When there are no windows at all, or none in a part that has a weight.
        """
        self.check_windows()
        windows = self.dataset.windows_per_part()  # type: ignore[attr-defined]
        weights = np.asarray(windows if self.weights is None else self.weights, np.float64)
        empty = np.flatnonzero((weights > 0) & (windows == 0))
        if len(empty):
            raise SamplerError(
                "MixtureSampler", f"no windows in part {empty[0]}", "at least one", "a weight of 0, or more episodes"
            )
        # One offset for all parts: numbers of whole marks between the sums of the weights.
        sums = np.cumsum(weights) * (self.batch_size / weights.sum())
        sums[-1] = self.batch_size
        offset = make_generator(self.seed, "batch", self.batches).random()
        counts = np.diff(np.floor(sums + offset).astype(np.int64), prepend=0)
        self.batches += 1
        return np.concatenate([self._draw(part, count) for part, count in enumerate(counts.tolist()) if count])

    def _draw(self, part: int, count: int) -> np.ndarray:
        sampler, first = self.samplers[part], int(self.dataset.windows_per_part()[:part].sum())  # type: ignore[attr-defined]
        sampler.batch_size = count
        return first + sampler.next_indices()

    def state(self) -> dict[str, int]:
        """Returns the number of batches drawn, and the state of each part's sampler."""
        return {
            "batches": self.batches,
            **{f"{part}/{name}": value for part, sampler in enumerate(self.samplers) for name, value in sampler.state().items()},
        }

    def load_state(self, state: Mapping[str, int]) -> None:
        """Goes to a position.

        Raises:
            SamplerError: When it is no position of this sampler.
        """
        batches = state.get("batches")
        if not isinstance(batches, int) or isinstance(batches, bool) or batches < 0:
            raise SamplerError("MixtureSampler.load_state", repr(dict(state)), "what state() returned")
        own = {"batches"} | {f"{part}/{name}" for part, sampler in enumerate(self.samplers) for name in sampler.state()}
        if set(state) != own:
            raise SamplerError("MixtureSampler.load_state", repr(dict(state)), "what state() returned")
        for part, sampler in enumerate(self.samplers):
            sampler.load_state({name: state[f"{part}/{name}"] for name in sampler.state()})
        self.batches = batches
