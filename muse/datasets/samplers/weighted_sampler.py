"""Independent draws, some windows more often than others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from muse.datasets.samplers.sampler import Sampler, SamplerError, read_state
from muse.utils.abstract import Argument
from muse.utils.seeding import make_generator


class WeightedSampler(Sampler):
    """Draws every window of a batch independently with the chance that its weight gives it, with replacement.

    The numbers are a pure function of (seed, number of batches drawn). The dataset may not grow: the weights would not fit it.
    """

    predefined_arguments = [
        Argument("weights", required=True, help="numbers of 0 or more, or a function of the dataset that returns them"),
        Argument("per", type=str, default="window", choices=("window", "episode"), help="what has a weight each"),
    ]

    weights: Any
    per: str

    def __init__(self, params: Mapping[str, Any], dataset: Any, batch_size: int, seed: int = 0) -> None:
        super().__init__(params, dataset, batch_size, seed)
        self.batches = 0
        weights = np.asarray(self.weights(dataset) if callable(self.weights) else self.weights)
        if weights.ndim != 1 or weights.dtype.kind not in "iufb":
            raise SamplerError("WeightedSampler: 'weights'", f"shape {weights.shape} {weights.dtype}", "a list of numbers")
        wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
        if len(wrong):
            got = f"{weights[wrong[0]]} for {self.per} {wrong[0]}"
            raise SamplerError("WeightedSampler: 'weights'", got, "finite numbers of 0 or more")
        if self.per == "episode":
            weights = self._spread(weights)
        self._cumulated = np.cumsum(weights, dtype=np.float64)
        self._check_fit()

    def _spread(self, weights: np.ndarray) -> np.ndarray:
        """Returns the weight of each window: an episode's, shared out over its windows."""
        if not hasattr(self.dataset, "windows_per_episode"):
            raise SamplerError(
                "WeightedSampler: 'per'", f"a {type(self.dataset).__name__}", "a dataset with windows_per_episode()"
            )
        counts = self.dataset.windows_per_episode()
        if len(weights) != len(counts):
            raise SamplerError("WeightedSampler: 'weights'", f"{len(weights)} numbers", f"one for each of {len(counts)} episodes")
        return np.repeat(weights / np.maximum(counts, 1), counts)

    def _check_fit(self) -> None:
        windows = self.check_windows()
        if len(self._cumulated) != windows:
            got, expected = f"{len(self._cumulated)} numbers", f"one for each of {windows} windows"
            raise SamplerError("WeightedSampler: 'weights'", got, expected, "UniformSampler for a dataset that grows")
        if not self._cumulated[-1] > 0:
            raise SamplerError("WeightedSampler: 'weights'", "nothing above 0", "a window that can be drawn")

    def next_indices(self) -> np.ndarray:
        """Returns the next batch; see `Sampler`."""
        self._check_fit()
        drawn = make_generator(self.seed, "batch", self.batches).random(self.batch_size) * self._cumulated[-1]
        self.batches += 1
        # Right of equal sums: a window of weight 0 repeats the sum before it.
        found = np.searchsorted(self._cumulated, drawn, side="right")
        return np.minimum(found, np.searchsorted(self._cumulated, self._cumulated[-1], side="left"))

    def state(self) -> dict[str, int]:
        """Returns the number of batches drawn."""
        return {"batches": self.batches}

    def load_state(self, state: Mapping[str, int]) -> None:
        """Goes to a position.

        Raises:
            SamplerError: When it is no position of this sampler.
        """
        self.batches = read_state(self, state, ("batches",))[0]
