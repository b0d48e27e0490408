"""A file of robomimic as an episode store that reads windows when they are asked for."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.format import Tell
from muse.datasets.formats.guard import run_guarded
from muse.datasets.formats.hdf5 import open_file, reading
from muse.datasets.formats.robomimic.columns import Column, plan_columns
from muse.datasets.formats.robomimic.names import ADDED
from muse.datasets.formats.robomimic.survey import Survey
from muse.datasets.lazy_episodes import EpisodeSource, LazyStore
from muse.datasets.numbers import check_finite, to_type
from muse.specs import Leaf
from muse.utils.errors import nearest
from muse.utils.optional import require

#: Arrays of the file that are held open, for looking one up by its path costs more than reading it.
_OPEN_ARRAYS = 4096


class _Arrays:
    """The arrays of a file, opened once in each process: a handle of h5py must not go from one to another."""

    def __init__(self, path: str, wanted_by: str) -> None:
        self.path, self._wanted_by = path, wanted_by
        self._file: Any = None
        self._process = 0
        self._held: OrderedDict[str, Any] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_process": 0, "_held": OrderedDict()}

    def get(self, place: str) -> Any:
        """Returns an array of h5py."""
        if self._process != os.getpid():
            self._file, self._process = open_file(self.path, self._wanted_by), os.getpid()
            self._held.clear()
        if place not in self._held:
            self._held[place] = self._file[place]
            if len(self._held) > _OPEN_ARRAYS:
                self._held.popitem(last=False)
        return self._held[place]


class _Part:
    """One file: where its episodes and their columns are.

    Args:
        path: The file.
        prefix: What the names of the episodes' groups begin with.
        names: Muse's name by place in a demonstration, where it is not to be the usual one.
    """

    def __init__(self, path: str | os.PathLike[str], prefix: str, names: Mapping[str, str], wanted_by: str) -> None:
        self.path = str(path)
        self.arrays = _Arrays(self.path, wanted_by)
        with open_file(path, wanted_by) as file, reading(self.path):
            self.survey = Survey(file, self.path, prefix, ())
            planned, _ = plan_columns(self.survey, names)
        self.columns = {column.name: column for column in planned}
        listed = {leaf["name"] for leaf in self.survey.embedded.meta.get("spec", {}).get("leaves", ())}
        #: Values that reading the whole file would add as a column.
        self.added = {
            name: value
            for name, value in ADDED.items()
            if name not in self.columns and (name in listed or not self.survey.embedded.names)
        }

    @property
    def meta(self) -> dict[str, Any]:
        """Meta data of the file, with its filter keys as splits."""
        numbers = {demo: number for number, demo in enumerate(self.survey.demos)}
        splits = {name: [numbers[demo] for demo in demos] for name, demos in self.survey.masks.items()}
        return {**self.survey.embedded.meta, **({"splits": splits} if splits else {})}

    def place(self, column: Column, number: int) -> str:
        """Returns where in the file the rows of an episode are."""
        return f"data/{self.survey.demos[number]}/{column.path}"

    def read(self, column: Column, leaf: Leaf, number: int, begin: int, end: int) -> np.ndarray:
        """Returns rows of an episode in the type and shape of `leaf`."""
        place = self.place(column, number)
        try:
            array = self.arrays.get(place)
            values = np.atleast_1d(array[()] if column.is_single else array[begin:end])
        except Exception:
            with reading(f"{self.path}: {place}"):
                raise
        if values.dtype != leaf.dtype:
            if leaf.dtype.kind == "U" and values.dtype.kind == "S":
                values = np.char.decode(values, "utf-8")
            values = to_type(values, leaf.dtype, f"{self.path}: {place}")
        return values.reshape(leaf.shape if column.is_single else (len(values), *leaf.shape))


class _Source(EpisodeSource):
    """A step name of all files."""

    def __init__(self, parts: Sequence[_Part], where: np.ndarray, leaf: Leaf) -> None:
        self._parts, self._where, self._leaf = parts, where, leaf

    def read(self, episode: int, begin: int, end: int) -> np.ndarray:
        """See `EpisodeSource.read`."""
        part, number = self._parts[self._where[episode, 0]], int(self._where[episode, 1])
        name = self._leaf.name
        if name in part.columns:
            return part.read(part.columns[name], self._leaf, number, begin, end)
        return np.full((end - begin, *self._leaf.shape), to_type(part.added[name], self._leaf.dtype, f"{part.path}: '{name}'"))

    def check(self, episode: int, begin: int, end: int) -> None:
        """See `EpisodeSource.check`."""
        part, number = self._parts[self._where[episode, 0]], int(self._where[episode, 1])
        if self._leaf.name in part.columns:
            label = f"{part.path}: {part.place(part.columns[self._leaf.name], number)}"
            check_finite(self.read(episode, begin, end), label, first_row=begin)


def open_store(
    paths: Sequence[str | os.PathLike[str]],
    step_leaves: Sequence[Leaf],
    onetime_leaves: Sequence[Leaf],
    prefix: str,
    names: Mapping[str, str],
    wanted_by: str,
) -> tuple[LazyStore, list[dict[str, Any]], list[int]]:
    """Opens files as one store.

    Args:
        paths: The files, one or more.
        step_leaves, onetime_leaves: What the store is to hold.
        prefix: What the names of the episodes' groups begin with.
        names: Muse's name by place in a demonstration (`obs/object`), where it is not to be the usual one.
        wanted_by: What needs h5py, for the message.

    Returns:
        The store; the meta data of each file, and its number of episodes.

    Raises:
        DataError: For a file that is broken, or lacks a name or has it in another shape or type.
    """
    require("h5py", "hdf5", wanted_by)
    for path in paths:
        # What this process opens then has been read without harm in another one.
        run_guarded(_probe, (Path(path), prefix, dict(names), wanted_by), str(path), libraries=(__name__, "h5py"))
    parts = [_Part(Path(path), prefix, names, wanted_by) for path in paths]
    for part in parts:
        for leaf in (*step_leaves, *onetime_leaves):
            _check(part, leaf, is_onetime=leaf in onetime_leaves)
    where = np.array([(index, number) for index, part in enumerate(parts) for number in range(len(part.survey.demos))])
    lengths = np.concatenate([part.survey.lengths for part in parts]).astype(np.int64)
    sources = {leaf.name: (_Source(parts, where, leaf), leaf.shape, leaf.dtype) for leaf in step_leaves}
    onetime = {leaf.name: np.stack(list(_onetime_values(parts, leaf))) for leaf in onetime_leaves}
    return LazyStore(sources, onetime, lengths), [part.meta for part in parts], [len(part.survey.demos) for part in parts]


def _probe(path: Path, prefix: str, names: Mapping[str, str], wanted_by: str, tell: Tell) -> None:
    """Looks a file through, and reads the first and the last row of each of its arrays."""
    part = _Part(path, prefix, names, wanted_by)
    for number, length in enumerate(part.survey.lengths):
        for column in part.columns.values():
            place = part.place(column, number)
            with reading(f"{path}: {place}"):
                array = part.arrays.get(place)
                for rows in (slice(0, 1), slice(length - 1, length)):
                    array[() if column.is_single else rows]
        tell(number + 1, len(part.survey.lengths))


def _onetime_values(parts: Sequence[_Part], leaf: Leaf) -> list[np.ndarray]:
    values = []
    for part in parts:
        column = part.columns[leaf.name]
        for number, length in enumerate(part.survey.lengths):
            row = part.read(column, leaf, number, length - 1, length)
            values.append(row if column.is_single else row[0])
            label = f"{part.path}: {part.place(column, number)}"
            check_finite(values[-1][None], label, first_row=0 if column.is_single else length - 1)
    return values


def _check(part: _Part, leaf: Leaf, is_onetime: bool) -> None:
    label = f"{part.path}: '{leaf.name}'"
    if leaf.name in part.added and not is_onetime:
        return
    column, known = part.columns.get(leaf.name), (*part.columns, *part.added)
    if column is None:
        raise DataError(label, f"missing{nearest(leaf.name, known)}", f"{leaf.shape} {leaf.dtype}", f"there: {', '.join(known)}")
    if is_onetime != column.is_onetime:
        kinds = ("a value per episode", "a row per step") if is_onetime else ("a row per step", "a value per episode")
        raise DataError(label, kinds[1], kinds[0], f"another name for '{column.path}' (option 'names')")
    if np.prod(column.shape, dtype=np.int64) != np.prod(leaf.shape, dtype=np.int64) or (
        column.shape != leaf.shape and (1,) not in (column.shape, leaf.shape)
    ):
        raise DataError(label, f"shape {column.shape}", f"{leaf.shape}")
    to_type(np.zeros((0,), column.dtype), leaf.dtype, label)
