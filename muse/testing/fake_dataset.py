"""A dataset made of nothing but a spec, that complains about what it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.datasets.dataset import DataError, Dataset
from muse.datasets.samplers.sampler import Sampler, SamplerError
from muse.specs import EnvSpec, Episode, Statistics
from muse.testing.made_up import draw_leaf, statistics_of
from muse.utils.abstract import Argument
from muse.utils.attrdicts import flatten, nest
from muse.utils.seeding import make_generator

Flat = dict[str, np.ndarray]


class FakeDataset(Dataset):
    """Holds episodes whose values are drawn within the limits of the spec, a pure function of `seed` and the spec.

    Every request must be what the contract says: indices `(B,)` int64 in range, names that are there, each once, numbers where
    statistics or tensors are asked for. An added episode must have all names in the spec's exact types and within limits.
    """

    predefined_arguments = [
        Argument("num_episodes", type=int, default=4, help="episodes to begin with"),
        Argument("episode_length", type=int, default=5, help="of the first episode; each next one is a row longer", unit="rows"),
        Argument("batch_size", type=int, default=3, help="windows in a batch"),
        Argument("horizon", type=int, default=3, help="rows in a window", unit="rows"),
        Argument("pad_end_sequence", type=bool, default=False, help="windows may begin anywhere and repeat the last row"),
        Argument("frozen", type=bool, default=False, help="refuse to grow"),
        Argument("seed", type=int, default=0, help="of the values"),
    ]

    num_episodes: int
    episode_length: int
    batch_size: int
    horizon: int
    pad_end_sequence: bool
    frozen: bool
    seed: int

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        for name in ("episode_length", "batch_size", "horizon"):
            if getattr(self, name) < 1:
                raise DataError(f"FakeDataset: '{name}'", str(getattr(self, name)), "at least 1")
        self._names = (*env_spec.names, *env_spec.param_names, *env_spec.final_names)
        self._once = {*env_spec.param_names, *env_spec.final_names}
        self._episodes: list[Flat] = []
        self._windows: list[tuple[int, int]] = []
        for index in range(self.num_episodes):
            self._append(self._draw(index, self.episode_length + index), self.episode_length + index)

    def __len__(self) -> int:
        return len(self._windows)

    def get_batch(
        self, indices: np.ndarray | None = None, names: Iterable[str] | None = None, torch_device: Any = None
    ) -> tuple[AttrDict, AttrDict]:
        """Checks the request and gathers windows; see `Dataset.get_batch`."""
        if indices is None:
            indices = self._next_indices()
        _check_indices(indices, len(self))
        chosen = self._checked_names(names)
        windows = [self._window(self._windows[index], chosen) for index in indices]
        batch: dict[str, Any] = {name: np.stack([window[name] for window in windows]) for name in windows[0]}
        if torch_device is not None:
            import torch

            batch = {n: torch.as_tensor(v).to(torch_device) if v.dtype.kind in "iufb" else v for n, v in batch.items()}
        return self._split(batch)

    def get_episode(self, index: int, names: Iterable[str] | None = None, split: bool = False) -> Any:
        """Checks the request and returns an episode; see `Dataset.get_episode`."""
        if not 0 <= index < len(self._episodes):
            raise DataError("FakeDataset.get_episode", f"index {index}", f"a number from 0 to {len(self._episodes) - 1}")
        episode = {name: self._episodes[index][name].copy() for name in (*self._checked_names(names), "done")}
        return self._split(episode) if split else nest(episode)

    def add_episode(self, episode: Episode) -> None:
        """Checks the episode against the spec, to the exact type, and appends it."""
        if self.frozen:
            raise DataError("FakeDataset.add_episode", "this dataset is frozen", "frozen=False")
        values = {**flatten(episode.onetime), **episode.to_rows()}
        for name in self._names:
            leaf, lead = self.env_spec.leaf(name), () if name in self._once else (len(episode),)
            value = values.get(name)
            if not isinstance(value, np.ndarray) or value.shape != (*lead, *leaf.shape) or value.dtype != leaf.dtype:
                got = "missing" if value is None else f"shape {np.shape(value)} {getattr(value, 'dtype', type(value).__name__)}"
                raise DataError(f"FakeDataset.add_episode: '{name}'", got, f"shape {(*lead, *leaf.shape)} {leaf.dtype}")
        self.env_spec.check(values, self._names, where="FakeDataset.add_episode", limits=True)
        self._append({name: np.array(values[name]) for name in self._names}, len(episode))

    def get_statistics(self, names: Iterable[str]) -> dict[str, Statistics]:
        """Returns the statistics of each name; see `Dataset.get_statistics`."""
        found = {}
        for name in self._checked_names(names):
            if self.env_spec.leaf(name).dtype.kind not in "iufb" or not self._episodes:
                raise DataError(f"FakeDataset.get_statistics: '{name}'", "no numbers, or no rows", "numbers")
            parts = [episode[name][None] if name in self._once else episode[name] for episode in self._episodes]
            found[name] = statistics_of(np.concatenate(parts))
        return found

    def get_num_episodes(self) -> int:
        """Number of complete episodes."""
        return len(self._episodes)

    def get_sampler(self, seed: int = 0) -> Sampler:
        """Returns a sampler of independent windows."""
        return FakeSampler(AttrDict(), self, self.batch_size, seed)

    def _draw(self, index: int, length: int) -> Flat:
        rng = make_generator(self.seed, "fake_dataset", index)
        drawn = {}
        for name in self._names:
            leaf = self.env_spec.leaf(name)
            drawn[name] = draw_leaf(leaf, () if name in self._once else (length,), rng)
        return drawn

    def _append(self, values: Flat, length: int) -> None:
        starts = length if self.pad_end_sequence else length - self.horizon + 1
        self._windows.extend((len(self._episodes), start) for start in range(starts))
        self._episodes.append({**values, "done": np.arange(length) == length - 1})

    def _window(self, place: tuple[int, int], names: tuple[str, ...]) -> Flat:
        values, start = self._episodes[place[0]], place[1]
        wanted, last = start + np.arange(self.horizon), len(values["done"]) - 1
        rows = np.minimum(wanted, last)
        window = {n: np.stack([values[n]] * self.horizon) if n in self._once else values[n][rows] for n in names}
        return {**window, "done": rows == last, "padding_mask": wanted > last}

    def _split(self, values: dict[str, Any]) -> tuple[AttrDict, AttrDict]:
        spec = self.env_spec
        names = {*spec.output_observation_names, *spec.final_names, "done", "padding_mask"}
        inputs = {name: value for name, value in values.items() if name not in names}
        return nest(inputs), nest({name: value for name, value in values.items() if name in names})

    def _checked_names(self, names: Iterable[str] | None) -> tuple[str, ...]:
        if isinstance(names, str):
            raise DataError("FakeDataset: names", f"the string '{names}'", "a list of names")
        chosen = self._names if names is None else tuple(names)
        for name in chosen:
            if name not in self._names:
                raise DataError("FakeDataset", f"no name '{name}'", "one of " + ", ".join(self._names))
        if len(set(chosen)) < len(chosen):
            raise DataError("FakeDataset: names", "a name twice", "each once")
        return chosen


class FakeSampler(Sampler):
    """Draws windows independently, and refuses to go on where there are none."""

    def __init__(self, params: Mapping[str, Any], dataset: Any, batch_size: int, seed: int = 0) -> None:
        super().__init__(params, dataset, batch_size, seed)
        self.batches = 0

    def next_indices(self) -> np.ndarray:
        """Returns the next batch; see `Sampler`."""
        count = self.check_windows()
        self.batches += 1
        return make_generator(self.seed, "fake_sampler", self.batches).integers(count, size=self.batch_size)

    def state(self) -> dict[str, int]:
        """Returns the number of batches drawn."""
        return {"batches": self.batches}

    def load_state(self, state: Mapping[str, int]) -> None:
        """Goes to a position that `state` returned."""
        if set(state) != {"batches"} or not isinstance(state["batches"], int):
            raise SamplerError("FakeSampler.load_state", repr(dict(state)), "what state() returned")
        self.batches = state["batches"]


def _check_indices(indices: Any, count: int) -> None:
    if not isinstance(indices, np.ndarray) or indices.ndim != 1 or indices.dtype != np.int64 or not len(indices):
        got = f"{type(indices).__name__} {getattr(indices, 'dtype', '')} {np.shape(indices)}"
        raise DataError("FakeDataset.get_batch: indices", got, "an int64 array (B,), B at least 1")
    if indices.min() < 0 or indices.max() >= count:
        raise DataError("FakeDataset.get_batch: indices", f"{indices.min()} to {indices.max()}", f"numbers below {count}")
