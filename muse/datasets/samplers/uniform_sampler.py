"""Independent draws, with replacement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from muse.datasets.samplers.sampler import Sampler, SamplerError, read_state
from muse.utils.abstract import Argument
from muse.utils.seeding import make_generator


class UniformSampler(Sampler):
    """Draws every window of a batch independently, from what the dataset holds at that moment (a replay buffer's sampler).

    The numbers are a pure function of (seed, number of batches drawn), so the state is that number.
    """

    predefined_arguments = [
        Argument(
            "uniform_episodes",
            type=bool,
            default=False,
            help="each episode equally likely, then a window of it; else each window",
        ),
    ]

    uniform_episodes: bool

    def __init__(self, params: Mapping[str, Any], dataset: Any, batch_size: int, seed: int = 0) -> None:
        super().__init__(params, dataset, batch_size, seed)
        self.batches = 0
        if self.uniform_episodes and not hasattr(dataset, "windows_per_episode"):
            raise SamplerError(
                "UniformSampler: 'uniform_episodes'", f"a {type(dataset).__name__}", "a dataset with windows_per_episode()"
            )

    def next_indices(self) -> np.ndarray:
        """Returns the next batch; see `Sampler`."""
        windows = self.check_windows()
        rng = make_generator(self.seed, "batch", self.batches)
        self.batches += 1
        if not self.uniform_episodes:
            return rng.integers(windows, size=self.batch_size)
        counts = self.dataset.windows_per_episode()  # type: ignore[attr-defined]
        chosen = rng.choice(np.flatnonzero(counts), size=self.batch_size)
        return (np.cumsum(counts) - counts)[chosen] + rng.integers(counts[chosen])

    def state(self) -> dict[str, int]:
        """Returns the number of batches drawn."""
        return {"batches": self.batches}

    def load_state(self, state: Mapping[str, int]) -> None:
        """Goes to a position.

        Raises:
            SamplerError: When it is no position of this sampler.
        """
        self.batches = read_state(self, state, ("batches",))[0]
