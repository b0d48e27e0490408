"""Tells in sentences what a dataset does against the contract of `muse.datasets.dataset`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError, Dataset
from muse.specs import Episode
from muse.testing.problems import listed
from muse.utils.attrdicts import flatten, nest
from muse.utils.errors import MuseError
from muse.utils.seeding import make_generator

Flat = dict[str, np.ndarray]

#: So many windows and episodes are looked at.
_WINDOWS = 16
_EPISODES = 64


def check_dataset(dataset: Dataset, grow: bool = False) -> None:
    """Asks a dataset for everything that trainers will ask of it.

    Args:
        dataset: With at least one window.
        grow: Also add an episode (a copy of one that is there). Without, the dataset is left as it was.

    Raises:
        DataError: With a sentence for each thing that is wrong.
    """
    problems = dataset_problems(dataset, grow)
    if problems:
        raise DataError(f"check_dataset({type(dataset).__name__})", listed(problems))


def dataset_problems(dataset: Dataset, grow: bool = False) -> list[str]:
    """Returns what `check_dataset` would raise as a list of sentences, empty for a good dataset."""
    return _Check(dataset).run(grow)


class _Stop(Exception):
    """Nothing further can be looked at in this subject."""


class _Check:
    """One run over one dataset; each method looks at one subject and notes what is wrong."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.spec = dataset.env_spec
        self.once = {*self.spec.param_names, *self.spec.final_names}
        #: Names of which neither windows nor statistics are what episodes hold: one-time ones, and goals taken from other rows.
        self.apart = {*self.once, *getattr(dataset, "relabelled_names", ())}
        self.problems: list[str] = []
        self.indices = np.empty(0, np.int64)
        self.episodes: list[Flat] = []

    def run(self, grow: bool) -> list[str]:
        first = [self._check_sizes, self._check_episodes, self._check_batch]
        others = [self._check_windows, self._check_names, self._check_copies, self._check_tensors, self._check_refusals]
        others += [self._check_statistics, self._check_sampler, self._check_frozen, *([self._check_growth] if grow else [])]
        for subject in (*first, *others):
            try:
                subject()
            except _Stop:
                if subject in first:
                    break
        return self.problems

    def tell(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def ask(self, what: str, call: Callable[[], Any]) -> Any:
        """Returns what a call that must work returns."""
        try:
            return call()
        except Exception as error:
            self.tell(f"{what} raised {type(error).__name__}: {error}")
            raise _Stop from error

    def refused(self, what: str, call: Callable[[], Any]) -> None:
        try:
            call()
        except MuseError:
            return
        except Exception as error:
            self.tell(f"{what} raised {type(error).__name__}; it must raise a DataError.")
            return
        self.tell(f"{what} was not refused; it must raise a DataError.")

    def batch(self, indices: np.ndarray, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns inputs and outputs, flat."""
        made = self.ask("get_batch", lambda: self.dataset.get_batch(indices, **options))
        if not isinstance(made, tuple) or len(made) != 2 or not all(isinstance(side, Mapping) for side in made):
            self.tell(f"get_batch returned {type(made).__name__}; it must return two mappings, inputs and outputs.")
            raise _Stop
        return flatten(made[0]), flatten(made[1])

    def _check_sizes(self) -> None:
        windows = self.ask("len", lambda: len(self.dataset))
        episodes = self.ask("get_num_episodes", self.dataset.get_num_episodes)
        if not windows or not episodes:
            self.tell(f"The dataset has {windows} windows of {episodes} episodes; a check needs at least one.")
            raise _Stop
        count = min(windows, _WINDOWS)
        self.indices = np.sort(make_generator(0, "check_dataset").choice(windows, count, replace=False)).astype(np.int64)

    def _check_episodes(self) -> None:
        for index in range(min(self.dataset.get_num_episodes(), _EPISODES)):
            episode = flatten(self.ask(f"get_episode({index})", lambda index=index: self.dataset.get_episode(index)))
            done = episode.get("done")
            if done is None or done.dtype != bool or done.ndim != 1 or not len(done) or not done[-1] or done[:-1].any():
                self.tell("An episode's 'done' must be (T,) bool, true on the last row only.")
                raise _Stop
            self._check_leaves("get_episode", episode, (len(done),))
            self.episodes.append(_copy(episode))
        inputs, outputs = self.ask("get_episode(0, split=True)", lambda: self.dataset.get_episode(0, split=True))
        sides = (flatten(inputs), flatten(outputs))
        self._check_sides("get_episode", *sides)
        if not _same({**sides[0], **sides[1]}, self.episodes[0]):
            self.tell("get_episode with split=True returned other values than without.")

    def _check_leaves(self, call: str, values: Mapping[str, Any], lead: tuple[int, ...]) -> None:
        for name, value in values.items():
            if name not in self.spec:
                continue
            leaf = self.spec.leaf(name)
            wanted = (*(() if call == "get_episode" and name in self.once else lead), *leaf.shape)
            if tuple(value.shape) != wanted or value.dtype != leaf.dtype:
                got = f"{tuple(value.shape)} {value.dtype}"
                self.tell(f"{call}: '{name}' has shape {got}; the spec makes it {wanted} {leaf.dtype}.")
            elif leaf.dtype.kind == "f" and not np.isfinite(value).all():
                self.tell(f"{call}: '{name}' holds NaN or infinity.")

    def _check_sides(self, call: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        wanted = {*self.spec.output_observation_names, *self.spec.final_names, "done", "padding_mask"}
        for name in [*(set(inputs) & wanted), *(set(outputs) - wanted)]:
            self.tell(f"{call}: '{name}' belongs to the {'outputs' if name in wanted else 'inputs'}.")
        for name in set(inputs) & set(outputs):
            self.tell(f"{call}: '{name}' is in the inputs and in the outputs.")

    def _check_batch(self) -> None:
        inputs, outputs = self.batch(self.indices)
        for name in ("done", "padding_mask"):
            value = outputs.get(name)
            if value is None or value.ndim != 2 or value.dtype != bool or len(value) != len(self.indices):
                self.tell(f"get_batch: '{name}' must be in the outputs, (B, H) bool.")
                raise _Stop
        self._check_sides("get_batch", inputs, outputs)
        self._check_leaves("get_batch", {**inputs, **outputs}, outputs["done"].shape)
        if not _same({**inputs, **outputs}, _join(self.batch(self.indices))):
            self.tell("get_batch returned other values when it was asked again.")
        one_by_one = [_join(self.batch(self.indices[i : i + 1])) for i in range(len(self.indices))]
        if not _same({**inputs, **outputs}, {n: np.concatenate([one[n] for one in one_by_one]) for n in one_by_one[0]}):
            self.tell("get_batch of several windows is not each of them on its own, in the order of the indices.")

    def _check_windows(self) -> None:
        """Every row that is no padding is a row of one episode, and padding repeats its neighbour."""
        batch = _join(self.batch(self.indices))
        mask, done = batch["padding_mask"], batch["done"]
        names = [name for name in batch if name in self.episodes[0] and name not in self.apart and name in self.spec]
        known = [set(_rows(episode, names)) for episode in self.episodes]
        for window in range(len(self.indices)):
            rows = _rows({name: batch[name][window] for name in names}, names)
            real = np.flatnonzero(~mask[window])
            if not len(real) or np.any(np.diff(real) != 1):
                self.tell("A window's padding must be at its beginning or its end, around at least one row that is none.")
                continue
            if any(rows[i] != rows[min(max(i, real[0]), real[-1])] for i in range(len(rows))):
                self.tell("A padded row must repeat the nearest row that is none.")
            if done[window][real[:-1]].any():
                self.tell("A window goes on behind the end of its episode.")
            whole = len(self.episodes) == self.dataset.get_num_episodes()
            if whole and not any(all(rows[i] in episode for i in real) for episode in known):
                self.tell("A window holds rows that are not of one episode.")

    def _check_names(self) -> None:
        whole = _join(self.batch(self.indices))
        for name in [name for name in whole if name in self.spec]:
            some = _join(self.batch(self.indices, names=[name]))
            extra = set(some) - {name, "done", "padding_mask"}
            if name not in some or extra:
                self.tell(f"get_batch(names=['{name}']) returned {', '.join(sorted(some))}.")
            elif not np.array_equal(some[name], whole[name]):
                self.tell(f"get_batch(names=['{name}']) returned other values than without names.")

    def _check_copies(self) -> None:
        before = _copy(_join(self.batch(self.indices)))
        given = [*_join(self.batch(self.indices)).values(), *flatten(self.dataset.get_episode(0)).values()]
        if not all(value.flags.writeable for value in given):
            self.tell("get_batch or get_episode returned arrays that may not be written to; the caller may keep and change them.")
            return
        originals = [value.copy() for value in given]
        for value in given:
            value[...] = value.dtype.type()
        episode = flatten(self.dataset.get_episode(0))
        if not _same(before, _join(self.batch(self.indices))) or not _same(episode, self.episodes[0]):
            self.tell("Writing into what get_batch or get_episode returned changed the dataset.")
        for value, original in zip(given, originals, strict=True):
            value[...] = original

    def _check_tensors(self) -> None:
        import torch

        arrays, tensors = _join(self.batch(self.indices)), _join(self.batch(self.indices, torch_device="cpu"))
        for name, array in arrays.items():
            if array.dtype.kind not in "iufb":
                continue
            tensor = tensors.get(name)
            if not isinstance(tensor, torch.Tensor) or not np.array_equal(tensor.numpy(), array):
                self.tell(f"get_batch with a torch_device: '{name}' is no tensor of the same values.")

    def _check_refusals(self) -> None:
        count, episodes = len(self.dataset), self.dataset.get_num_episodes()
        for index in (-1, count):
            self.refused(f"get_batch of window {index}", lambda i=index: self.dataset.get_batch(np.array([i])))
        for index in (-1, episodes):
            self.refused(f"get_episode({index})", lambda i=index: self.dataset.get_episode(i))
        self.refused("get_batch of an unknown name", lambda: self.dataset.get_batch(self.indices, names=["no/such_name"]))
        self.refused("get_statistics of an unknown name", lambda: self.dataset.get_statistics(["no/such_name"]))

    def _check_statistics(self) -> None:
        if len(self.episodes) < self.dataset.get_num_episodes():
            return
        names = [n for n in self.episodes[0] if n in self.spec and n not in self.apart and self.spec.leaf(n).dtype.kind in "iufb"]
        found = self.ask("get_statistics", lambda: self.dataset.get_statistics(names))
        for name in names:
            rows = np.concatenate([episode[name] for episode in self.episodes]).astype(np.float64)
            wanted = {"mean": rows.mean(0), "std": rows.std(0), "min": rows.min(0), "max": rows.max(0)}
            for what, value in wanted.items():
                came = np.asarray(getattr(found[name], what))
                if came.shape != value.shape or not np.allclose(came, value, rtol=1e-6, atol=1e-9):
                    self.tell(f"get_statistics: the {what} of '{name}' is not that of all rows.")
            if found[name].count != len(rows):
                self.tell(f"get_statistics: '{name}' counts {found[name].count} rows; there are {len(rows)}.")
            if np.any(np.asarray(found[name].std)[wanted["min"] == wanted["max"]] != 0):
                self.tell(f"get_statistics: the std of a constant element of '{name}' is not exactly 0.")

    def _check_sampler(self) -> None:
        first, second = self.ask("get_sampler", lambda: (self.dataset.get_sampler(3), self.dataset.get_sampler(3)))
        drawn = []
        for _ in range(4):
            state = first.state()
            drawn.append(self.ask("next_indices", first.next_indices))
            again = self.dataset.get_sampler(3)
            self.ask("load_state", lambda state=state, again=again: again.load_state(state))
            if not np.array_equal(again.next_indices(), drawn[-1]):
                self.tell("A sampler that loaded a state did not go on as the one that gave it.")
            if not np.array_equal(second.next_indices(), drawn[-1]):
                self.tell("Two samplers with one seed drew different windows.")
        for indices in drawn:
            bad = indices.ndim != 1 or indices.dtype != np.int64 or not len(indices)
            if bad or indices.min() < 0 or indices.max() >= len(self.dataset):
                self.tell("next_indices must return (B,) int64, numbers of windows.")
        self.ask("get_batch without indices", self.dataset.get_batch)
        self._check_drawing()

    def _check_drawing(self) -> None:
        sampler, other = self.dataset.get_sampler(3), self.dataset.get_sampler(3)
        for _ in range(2):
            batch, again = (
                _flat(self.ask("draw_batch", lambda one=one: self.dataset.draw_batch(one))) for one in (sampler, other)
            )
            if not _same(batch, again) or sampler.state() != other.state():
                self.tell("draw_batch with two samplers of one seed and position returned different batches.")
            other = self.dataset.get_sampler(3)
            other.load_state(sampler.state())

    def _check_frozen(self) -> None:
        if getattr(self.dataset, "frozen", False):
            episode = self.ask("get_episode(0, split=True)", self._copied_episode)
            self.refused("add_episode to a frozen dataset", lambda: self.dataset.add_episode(episode))

    def _check_growth(self) -> None:
        count, windows = self.dataset.get_num_episodes(), len(self.dataset)
        episode = self.ask("get_episode(0, split=True)", self._copied_episode)
        self.ask("add_episode", lambda: self.dataset.add_episode(episode))
        if self.dataset.get_num_episodes() != count + 1 or len(self.dataset) < windows:
            self.tell("add_episode did not add an episode.")
            return
        if not _same(flatten(self.dataset.get_episode(count)), self.episodes[0]):
            self.tell("An episode that was added came back changed.")

    def _copied_episode(self) -> Episode:
        inputs, outputs = (_copy(flatten(side)) for side in self.dataset.get_episode(0, split=True))
        once = {name: side.pop(name) for side in (inputs, outputs) for name in self.once if name in side}
        return Episode(nest(inputs), nest(outputs), nest(once))


def _join(sides: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    return {**sides[0], **sides[1]}


def _flat(sides: tuple[Mapping[str, Any], Mapping[str, Any]]) -> dict[str, Any]:
    return {**flatten(sides[0]), **flatten(sides[1])}


def _copy(values: Mapping[str, np.ndarray]) -> Flat:
    return {name: value.copy() for name, value in values.items()}


def _same(values: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]) -> bool:
    return set(values) == set(others) and all(np.array_equal(value, others[name]) for name, value in values.items())


def _rows(values: Mapping[str, np.ndarray], names: list[str]) -> list[bytes]:
    """Returns the bytes of each row over all names."""
    columns = [np.ascontiguousarray(values[name]) for name in names]
    return [b"".join(column[row].tobytes() for column in columns) for row in range(len(columns[0]) if columns else 0)]
