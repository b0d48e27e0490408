"""Rows and frames of a dataset of LeRobot, an episode at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.columns import Column
from muse.datasets.formats.lerobot.features import numbers_of, pictures_of, texts_of
from muse.datasets.formats.lerobot.names import KEPT, TASK
from muse.datasets.formats.lerobot.survey import Survey
from muse.datasets.formats.lerobot.tables import AGAIN, BATCH, Rows, column_of
from muse.datasets.formats.lerobot.videos import Frames
from muse.datasets.numbers import check_finite, to_type

#: Rows of a batch with pictures in it.
_PICTURES_BATCH = 32
#: Features that every dataset has, by which rows are checked.
_CHECKED = ("episode_index", "frame_index", "index", "timestamp", "task_index")


class Source:
    """The rows of one episode after another. A context manager.

    Args:
        survey: The dataset.
        columns: What to read.
        tolerance: How far a frame may be from the time of its row [s].
        finite: Refuse NaN and infinity.

    Attributes:
        task: Text of the task in the first row of the last episode.
    """

    def __init__(self, survey: Survey, columns: list[Column], tolerance: float, finite: bool = True) -> None:
        self.survey, self.tolerance, self.finite = survey, tolerance, finite
        self.by_key: dict[str, list[Column]] = {}
        for column in columns:
            if not column.is_onetime and not column.place.startswith(KEPT) and column.place != TASK:
                self.by_key.setdefault(column.place.partition("/")[0], []).append(column)
        self.tasks = [column for column in columns if column.place == TASK and not column.is_onetime]
        features = self.survey.features
        self.in_rows = [key for key in self.by_key if features[key].dtype != "video"]
        self.batch = _PICTURES_BATCH if any(features[key].dtype == "image" for key in self.in_rows) else BATCH
        self.task = ""
        self._rows: Rows | None = None
        self._frames: dict[str, Frames] = {}

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exception: object) -> None:
        for open_file in (self._rows, *self._frames.values()):
            if open_file is not None:
                open_file.close()

    def copy(self, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Reads episode `number` into arrays, each `(T, *shape)`, by name.

        Raises:
            DataError: For rows of another episode, another shape or type, NaN, and for frames that are missing.
        """
        path, first = self.survey.data[number]
        length = int(self.survey.lengths[number])
        if self._rows is None or self._rows.path != path:
            if self._rows is not None:
                self._rows.close()
            self._rows = Rows(path, {*_CHECKED, *self.in_rows}, first, self.batch)
        times, at = np.empty(length), 0
        for batch in self._rows.take(first, first + length):
            rows, label = slice(at, at + len(batch)), f"{path}: episode {number}"
            self._check(batch, number, at, path)
            times[rows] = numbers_of(column_of(batch, "timestamp", path), (), np.dtype(np.float32), f"{label}, 'timestamp'")
            tasks = whole_numbers_of(batch, "task_index", path)
            if (tasks < 0).any() or (tasks >= len(self.survey.tasks)).any():
                raise DataError(f"{label}, 'task_index'", f"{tasks.min()} to {tasks.max()}", f"below {len(self.survey.tasks)}")
            texts = np.array([self.survey.tasks[task] for task in tasks])
            self.task = texts[0] if not at else self.task
            for column in self.tasks:
                arrays[column.name][rows] = to_type(texts, column.dtype, label).reshape(len(batch), *column.shape)
            for key in self.in_rows:
                self._fill(key, column_of(batch, key, path), {c.name: arrays[c.name][rows] for c in self.by_key[key]}, label)
            at += len(batch)
        check_finite(times, f"{path}: episode {number}, 'timestamp'")
        for key in (key for key in self.by_key if key not in self.in_rows):
            self._decode(key, number, times, arrays[self.by_key[key][0].name])

    def _check(self, batch: Any, number: int, at: int, path: Path) -> None:
        first = int(self.survey.ends[number] - self.survey.lengths[number]) + at
        wanted = {"episode_index": (number, 0), "frame_index": (at, 1), "index": (first, 1)}
        for key, (begin, step) in wanted.items():
            came = whole_numbers_of(batch, key, path)
            expected = begin + step * np.arange(len(batch))
            if not np.array_equal(came, expected):
                row = int(np.argmax(came != expected))
                label, hint = f"{path}: episode {number}, row {at + row}", AGAIN
                raise DataError(label, f"'{key}' {came[row]}", f"{expected[row]}, as meta/episodes says", hint)

    def _fill(self, key: str, column: Any, arrays: Mapping[str, np.ndarray], where: str) -> None:
        feature, label, parts = self.survey.features[key], f"{where}, '{key}'", self.by_key[key]
        if feature.dtype == "image":
            for row, picture in enumerate(pictures_of(column, feature.row_shape, label)):
                arrays[parts[0].name][row] = picture
            return
        if feature.dtype == "string":
            values = texts_of(column, label)
        else:
            values = numbers_of(column, feature.shape, np.dtype(feature.dtype), label)
        if self.finite:
            check_finite(values, label)
        values, begin = values.reshape(len(values), -1), 0
        for part in parts:
            end = begin + int(np.prod(part.shape, dtype=np.int64))
            arrays[part.name][...] = to_type(values[:, begin:end], part.dtype, label).reshape(len(values), *part.shape)
            begin = end

    def _decode(self, key: str, number: int, times: np.ndarray, array: np.ndarray) -> None:
        path, begin = self.survey.videos[key][number]
        if np.any(np.diff(times) <= 0):
            raise DataError(f"{path}: episode {number}", "times that do not rise", "rising timestamps, each with its frame")
        if key not in self._frames or self._frames[key].path != path:
            if key in self._frames:
                self._frames.pop(key).close()
            self._frames[key] = Frames(path, self.survey.features[key].row_shape, self.tolerance)
        for row, frame in enumerate(self._frames[key].at(begin + times)):
            array[row] = frame


def whole_numbers_of(batch: Any, key: str, path: Path) -> np.ndarray:
    """Returns a column of a batch as int64."""
    return numbers_of(column_of(batch, key, path), (), np.dtype(np.int64), f"{path}: '{key}'")
