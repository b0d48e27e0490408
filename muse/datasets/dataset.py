"""The contract of datasets. The loop that calls it (`muse.trainers`):

sampler = dataset.get_sampler(seed)
while training:
    inputs, outputs = dataset.draw_batch(sampler, torch_device=device)
    model.loss(inputs, outputs)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from attrdict import AttrDict

from muse.specs import EnvSpec, Episode, Statistics
from muse.utils.abstract import BaseClass
from muse.utils.attrdicts import flatten, nest
from muse.utils.errors import MuseError

if TYPE_CHECKING:
    from muse.datasets.samplers.sampler import Sampler


class DataError(MuseError):
    """Data that is wrong, or a dataset asked for what it does not have. Names the file, the name and the row."""


#: What becomes of something wrong in a file. Loading raises it; a check notes it, and reading goes on without what is wrong.
OnError = Callable[[DataError], Any]


def raise_error(error: DataError) -> None:
    """Raises `error`."""
    raise error


class Dataset(BaseClass, ABC):
    """Episodes of named arrays, read as windows of `H` rows.

    *Step names* have a row per step, *one-time names* (params and finals of the spec) a row per episode. `len` is the number
    of windows. Every method that returns arrays returns copies that the caller may keep.

    Args:
        params: The options of the class.
        env_spec: Names, shapes, types and roles.
    """

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        self.params = params
        self.env_spec = env_spec
        self.read_predefined_params(params)
        #: Draws the batches that are asked for without saying which windows.
        self._sampler: Sampler | None = None

    def _next_indices(self) -> np.ndarray:
        self._sampler = self._sampler or self.get_sampler()
        return self._sampler.next_indices()

    @abstractmethod
    def __len__(self) -> int:
        """Number of windows."""

    @abstractmethod
    def get_batch(
        self, indices: np.ndarray | None = None, names: Iterable[str] | None = None, torch_device: Any = None
    ) -> tuple[AttrDict, AttrDict]:
        """Gathers windows.

        Args:
            indices: Window numbers `(B,)`; the dataset's own sampler draws them when None.
            names: Step and one-time names to get; the dataset's `batch_names_to_get` when None.
            torch_device: Return tensors on this device; numpy arrays when None.

        Returns:
            Inputs (observations, goals, actions, params, names without a role) and outputs (output observations, finals,
            `done` `(B, H)` bool, `padding_mask` `(B, H)` bool, true where a row is padding), leaves `(B, H, *shape)`.
            One-time names are repeated over the horizon.
        """

    def draw_batch(
        self, sampler: Sampler, names: Iterable[str] | None = None, torch_device: Any = None
    ) -> tuple[AttrDict, AttrDict]:
        """Returns the next batch of a sampler, for learning.

        It is `get_batch` of the windows drawn. A dataset whose batches hold something random draws it anew here, as a function of
        the sampler's seed and state, while `get_batch` gives the same for the same windows.
        """
        return self.get_batch(sampler.next_indices(), names, torch_device)

    @abstractmethod
    def get_episode(self, index: int, names: Iterable[str] | None = None, split: bool = False) -> Any:
        """Returns episode `index`, leaves `(T, *shape)`, one-time names `(*shape)`.

        One `AttrDict`, or `(inputs, outputs)` with `split=True`.
        """

    def to_episode(self, index: int) -> Episode:
        """Returns episode `index` as a value, to be replayed or added elsewhere. Its success and seed are not known."""
        inputs, outputs = self.get_episode(index, split=True)
        rows, once = {**flatten(inputs), **flatten(outputs)}, (*self.env_spec.param_names, *self.env_spec.final_names)
        onetime = {name: rows.pop(name) for name in once if name in rows}
        steps = [nest({name: rows[name] for name in flatten(side) if name in rows}) for side in (inputs, outputs)]
        return Episode(steps[0], steps[1], nest(onetime))

    @abstractmethod
    def add_episode(self, episode: Episode) -> None:
        """Appends an episode; the oldest ones leave when the capacity is exceeded.

        Raises:
            DataError: When the dataset is frozen or the episode does not fit the spec.
        """

    @abstractmethod
    def get_statistics(self, names: Iterable[str]) -> dict[str, Statistics]:
        """Returns the statistics of each name over all rows held."""

    def get_rows(self, name: str) -> Any:
        """Returns what the statistics of a name are of, `(N, *shape)`: an array, or what has slices, a shape and a dtype.

        None where there is no such thing; then statistics of several datasets together lack what does not follow from those of each.
        """
        return None

    @abstractmethod
    def get_num_episodes(self) -> int:
        """Number of complete episodes."""

    @abstractmethod
    def get_sampler(self, seed: int = 0) -> Sampler:
        """Returns the sampler that the options name, its order a pure function of (seed, epoch)."""
