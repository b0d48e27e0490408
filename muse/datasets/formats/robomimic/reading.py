"""From a file of robomimic to episodes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from muse.datasets.formats.columns import joined_spec, renamed_meta
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.format import Tell, tell_nobody
from muse.datasets.formats.hdf5 import open_file, reading, restored
from muse.datasets.formats.robomimic.columns import Column, plan_columns
from muse.datasets.formats.robomimic.meta import BLOCK, Origin
from muse.datasets.formats.robomimic.names import ADDED, NEXT, role_of
from muse.datasets.formats.robomimic.survey import COUNTED, Survey
from muse.datasets.formats.work import Work
from muse.datasets.numbers import check_finite, to_type
from muse.specs import Leaf


class Reader:
    """A file of robomimic, opened and looked through; `read` reads its arrays. A context manager.

    Args:
        path: The file.
        prefix: What the names of the episodes' groups begin with; a whole number follows.
        masks: Only the episodes of these filter keys; all when empty.

    Raises:
        DataError: For a file that is missing, cut short, no HDF5, or without whole episodes.
        MissingExtraError: Without h5py.
    """

    def __init__(self, path: str | os.PathLike[str], prefix: str = "demo_", masks: Iterable[str] = ()) -> None:
        self.path, self._finite = str(path), True
        self._file = open_file(path, "robomimic's files")
        try:
            with reading(self.path):
                self._survey = Survey(self._file, self.path, prefix, tuple(masks))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. May be called twice."""
        self._file.close()

    @property
    def num_episodes(self) -> int:
        """Number of episodes that `read` reads."""
        return len(self._survey.demos)

    def read(
        self,
        names: Mapping[str, str] | None = None,
        work: Work | None = None,
        progress: Tell = tell_nobody,
        finite: bool = True,
    ) -> tuple[EpisodeData, list[Fate]]:
        """Reads the episodes.

        Args:
            names: Muse's name by place in a demonstration (`obs/object`), where it is not to be the usual one; empty: left out.
            work: Where the arrays lie; in memory when None.
            progress: Is told of every episode.
            finite: Refuse NaN and infinity.

        Returns:
            The episodes, and what became of every name.

        Raises:
            OptionError: For a name to map that is not there.
            DataError: For what is missing in an episode, or has another shape, type or length there, for NaN and infinity, and for
                arrays that find no room.
        """
        columns, fates = plan_columns(self._survey, names or {})
        ends = np.cumsum(self._survey.lengths, dtype=np.int64)
        work, self._finite = work or Work(), finite
        self._check_room(columns, ends, work)
        arrays = {column.name: work.allocate(column.name, column.array_shape(ends), column.dtype) for column in columns}
        follows = work.allocate("(whether next observations follow)", (len(ends), len(columns)), bool)
        for number in range(work.done, len(ends)):
            for place, column in enumerate(columns):
                follows[number, place] = self._copy(column, number, ends, arrays)
            work.commit(number + 1)
            progress(number + 1, len(ends))
        for place in np.flatnonzero(~follows.all(axis=0)):
            del arrays[columns[place].name]
            columns[place] = replace(columns[place], name=NEXT + columns[place].now, now="")
            arrays[columns[place].name] = self._read_whole(columns[place], ends, work)
        return self._join(columns, arrays, ends, fates)

    def _check_room(self, columns: list[Column], ends: np.ndarray, work: Work) -> None:
        shapes = [(column.array_shape(ends), column.dtype.itemsize) for column in columns]
        work.check_room(sum(int(np.prod(shape, dtype=object)) * size for shape, size in shapes), self.path)

    def _read_whole(self, column: Column, ends: np.ndarray, work: Work) -> np.ndarray:
        """Reads next observations once more, every row of them."""
        again = work.stage(f"whole {column.name.encode().hex()[:100]}")
        array = again.allocate(column.name, column.array_shape(ends), column.dtype)
        for number in range(again.done, len(ends)):
            self._copy(column, number, ends, {column.name: array})
            again.commit(number + 1)
        return array

    def _copy(self, column: Column, number: int, ends: np.ndarray, arrays: Mapping[str, np.ndarray]) -> bool:
        """Reads a dataset of an episode into its array; returns false where a next observation is not that of the next row."""
        where = f"data/{self._survey.demos[number]}/{column.path}"
        label = f"{self.path}: {where}"
        with reading(label):
            values = np.atleast_1d(self._file[where][()])
        if self._finite:
            check_finite(values, label)
        values = to_type(restored(values, column.dtype), column.dtype, label)
        if column.is_single:
            arrays[column.name][number] = values.reshape(column.shape)
            return True
        values = values.reshape(len(values), *column.shape)
        begin, end = ends[number] - len(values), ends[number]
        if not column.now:
            arrays[column.name][begin:end] = values
            return True
        arrays[column.name][number] = values[-1]
        return values[:-1].tobytes() == arrays[column.now][begin + 1 : end].tobytes()

    def _join(
        self, columns: list[Column], arrays: Mapping[str, np.ndarray], ends: np.ndarray, fates: list[Fate]
    ) -> tuple[EpisodeData, list[Fate]]:
        survey = self._survey
        listed = {leaf["name"] for leaf in survey.embedded.meta.get("spec", {}).get("leaves", ())}
        wanted = {name: value for name, value in ADDED.items() if name in listed or not survey.embedded.names}
        added = {name: np.full((int(ends[-1]), 1), value) for name, value in wanted.items() if name not in arrays}
        steps = {column.name: arrays[column.name] for column in columns if not column.is_onetime}
        onetime = {column.name: arrays[column.name] for column in columns if column.is_onetime}
        renamed = {survey.embedded.names[column.path]: column.name for column in columns if column.path in survey.embedded.names}
        embedded = renamed_meta(survey.embedded.meta, renamed)
        leaves = [column.leaf(arrays[column.name]) for column in columns]
        leaves += [
            Leaf(name, array.shape[1:], -np.inf, np.inf, array.dtype, "", role_of(name, name)) for name, array in added.items()
        ]
        numbers = {demo: number for number, demo in enumerate(survey.demos)}
        splits = {name: [numbers[demo] for demo in demos if demo in numbers] for name, demos in survey.masks.items()}
        meta = {
            **embedded,
            "spec": joined_spec(embedded, leaves),
            **({"splits": splits} if splits else {}),
            BLOCK: self._origin(columns).to_block(),
        }
        fates = [*(column.fate(arrays[column.name]) for column in columns), *fates, *survey.fates]
        for name, demos in survey.masks.items():
            fates.append(Fate(f"mask/{name}", f"split {name}", f"{len(splits[name])} of {len(demos)} episodes"))
        fates += [Fate("(not there)", name, f"{ADDED[name].item()!r} in every row") for name in added]
        return EpisodeData({**steps, **added}, onetime, ends, meta, self.path), fates

    def _origin(self, columns: list[Column]) -> Origin:
        def kept(attributes: Mapping[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in attributes.items() if name not in COUNTED}

        survey = self._survey
        return Origin(
            demos=survey.demos,
            lengths=survey.lengths,
            attributes={group: kept(attributes) for group, attributes in survey.attributes.items()},
            demo_attributes=[kept(attributes) for attributes in survey.demo_attributes],
            names={column.path: column.name for column in columns},
            flat=[column.path for column in columns if column.is_flat],
        )
