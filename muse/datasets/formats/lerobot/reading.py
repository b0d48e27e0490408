"""From a dataset of LeRobot to episodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats import npz
from muse.datasets.formats.columns import DERIVED as DERIVED_IN_MUSE
from muse.datasets.formats.columns import Column
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate, choose_names
from muse.datasets.formats.format import Tell, tell_nobody
from muse.datasets.formats.kept import Kept
from muse.datasets.formats.lerobot.features import Feature
from muse.datasets.formats.lerobot.names import (
    DERIVED,
    DONE,
    KEPT,
    KEPT_FILE,
    TASK,
    TASK_STEP_NAME,
    names_in_muse,
    role_of,
)
from muse.datasets.formats.lerobot.source import Source, whole_numbers_of
from muse.datasets.formats.lerobot.survey import INFO, KEPT_JSON, STATS, TASKS, Survey
from muse.datasets.formats.lerobot.tables import BATCH, Rows, column_of
from muse.datasets.formats.selection import select
from muse.datasets.formats.work import Work
from muse.datasets.numbers import check_finite
from muse.utils.optional import require

#: Key of `_meta`: what LeRobot says besides the rows.
BLOCK = "lerobot"


class Reader:
    """A dataset, looked through; `read` reads it.

    Args:
        folder: The dataset.
        tolerance: How far a frame may be from the time of its row [s].
        finite: Refuse NaN and infinity.

    Raises:
        DataError: For a dataset that is of another version, or whose files contradict one another.
        MissingExtraError: Without pyarrow.
    """

    def __init__(self, folder: Path, tolerance: float, finite: bool = True) -> None:
        self.where, self.tolerance, self.finite = str(folder), tolerance, finite
        self.survey = Survey(folder)
        kept = self.survey.kept
        self.fits = kept.fits(self.survey.lengths)
        self.kept = _of_changed(kept) if kept.columns and not self.fits else kept

    def read(
        self, names: Mapping[str, str], splits: Iterable[str], work: Work, progress: Tell = tell_nobody
    ) -> tuple[EpisodeData, list[Fate]]:
        """Reads the episodes. See `Format.read`.

        Args:
            names: Muse's name by feature, or by `<feature>/<name>` for a part of one that Muse joined.
        """
        survey = self.survey
        listed = self.kept.meta.get("splits", {}) if self.fits else survey.splits()
        self.chosen = select(survey.ends, listed, splits, self.where)
        self._varies, widths = self._look_at_texts()
        columns, fates = self._plan(names, widths)
        extra = self._read_kept(columns)
        ends = np.cumsum(self.chosen.lengths, dtype=np.int64)
        arrays = self._allocate(columns, extra, ends, work)
        done = work.done
        with Source(survey, columns, self.tolerance, self.finite) as source:
            for number in range(done, len(ends)):
                rows = slice(ends[number] - self.chosen.lengths[number], ends[number])
                source.copy(int(self.chosen.numbers[number]), {c.name: arrays[c.name][rows] for c in columns if not c.is_onetime})
                for column in (c for c in columns if c.place == TASK and c.is_onetime):
                    arrays[column.name][number] = source.task
                work.commit(number + 1)
                progress(number + 1, len(ends))
        meta = {**self.kept.meta, **({"splits": self.chosen.splits} if listed else {})}
        if not self.kept.columns:
            meta[BLOCK] = self._block(columns)
        data = self.kept.to_episodes(columns, arrays, self.chosen.lengths, meta, self.where)
        return data, [*(column.fate(arrays[column.name]) for column in columns), *fates, *self._other_fates()]

    def _look_at_texts(self) -> tuple[bool, dict[str, int]]:
        """Returns whether tasks change within an episode, and the longest text of each feature, in letters."""
        compute = require("pyarrow.compute", "lerobot", "LeRobot's datasets")
        survey, varies = self.survey, False
        own = {place for place in self.kept.columns if place in survey.features}
        widths = {key: 1 for key, f in survey.features.items() if f.dtype == "string" and key not in own}
        if TASK in self.kept.columns and not widths:
            return False, widths
        for file, begin, end in _files(survey):
            rows, tasks = Rows(file, ["task_index", *widths], 0, BATCH), []
            for batch in rows.take(0, end - begin):
                tasks.append(whole_numbers_of(batch, "task_index", file))
                for key in widths:
                    longest = compute.max(compute.utf8_length(column_of(batch, key, file))).as_py()
                    widths[key] = max(widths[key], longest or 0)
            rows.close()
            changes = np.flatnonzero(np.diff(np.concatenate(tasks))) + 1 + begin
            varies = varies or not np.isin(changes, survey.ends).all()
        return varies, widths

    def _plan(self, overrides: Mapping[str, str], widths: Mapping[str, int]) -> tuple[list[Column], list[Fate]]:
        survey, wrote = self.survey, self.kept.columns
        parts = {key: _parts(wrote, key) for key in survey.features}
        parts = {key: columns for key, columns in parts.items() if columns and _fit(columns, survey.features[key])}
        own = {place: column for place, column in wrote.items() if place.startswith(KEPT) or place == TASK}
        own |= {column.place: column for columns in parts.values() for column in columns}
        sources = [place for place in own if place.startswith(KEPT) or place == TASK]
        for key in survey.features:
            if key in DERIVED or (self.fits and key not in {*parts, *overrides} and key in ("timestamp", DONE)):
                continue
            # A part's own name here takes it apart; the key's takes the vector as it is.
            sources += [key] if key not in parts or key in overrides else [column.place for column in parts[key]]
        if TASK not in sources and (TASK in overrides or not self.fits):
            sources.append(TASK)
        default = names_in_muse(survey.features)
        names = choose_names(sources, lambda place: own[place].name if place in own else default(place), overrides, self.where)
        columns, fates = [], []
        for place, name in names.items():
            if not name:
                fates.append(Fate(place, "", "as told"))
                continue
            if name in DERIVED_IN_MUSE:
                hint = f"another name for it (--map {place}=NAME), or none (--map {place}=)"
                raise DataError(
                    f"{self.where}: '{place}'", f"would become '{name}'", "a name that does not follow from the rows", hint
                )
            column = self._column(place, widths)
            if place in own:
                column = replace(own[place], note=column.note)
            columns.append(replace(column, name=TASK_STEP_NAME if self._task_moves(place, overrides) else name))
        _check_nested([column.name for column in columns], self.where)
        listed = [key for key in survey.features if key not in {place.partition("/")[0] for place in names}]
        of_task = f"follows from '{TASK}'" if TASK in names else "Muse's data had no text of a task"
        fates += [Fate(key, "", of_task if key == "task_index" else "follows from the episodes") for key in listed]
        fates += [Fate(place, "", "others have changed it since Muse wrote it") for place in wrote if not _is_there(place, names)]
        return columns, fates

    def _task_moves(self, place: str, overrides: Mapping[str, str]) -> bool:
        return place == TASK and place not in self.kept.columns and place not in overrides and self._varies

    def _column(self, key: str, widths: Mapping[str, int]) -> Column:
        """Returns the column of a feature that Muse knows nothing of."""
        if key == TASK:
            dtype = np.dtype(f"<U{max(map(len, self.survey.tasks), default=1) or 1}")
            return Column(TASK, "", (1,) if self._varies else (), dtype, not self._varies, "" if self._varies else "param")
        if key.startswith(KEPT):
            return self.kept.columns[key]
        key = key.partition("/")[0]
        feature, role = self.survey.features[key], role_of(key)
        note = f"it was {feature.shape} there" if feature.row_shape != feature.shape else ""
        if feature.is_picture:
            note = "; ".join(filter(None, (note, "decoded from the video" if feature.dtype == "video" else "")))
            return Column(key, "", feature.row_shape, np.dtype(np.uint8), False, role, note)
        if feature.dtype == "string":
            return Column(key, "", (1,), np.dtype(f"<U{widths.get(key, 1)}"), False, role)
        return Column(key, "", feature.shape, np.dtype(feature.dtype), False, role)

    def _read_kept(self, columns: list[Column]) -> dict[str, np.ndarray]:
        """Returns the arrays of the chosen episodes that LeRobot has no place for, by name."""
        wanted = [column for column in columns if column.place.startswith(KEPT)]
        if not wanted:
            return {}
        path = self.survey.folder / KEPT_FILE
        there, _ = npz.read_arrays(path)
        found = {}
        for column in wanted:
            name = column.place.removeprefix(KEPT)
            array, label = there.get(name), f"{path}: '{name}'"
            count = len(self.survey.lengths) if column.is_onetime else int(self.survey.ends[-1])
            if array is None or (array.shape, array.dtype) != ((count, *column.shape), column.dtype):
                got = "missing" if array is None else f"shape {array.shape} {array.dtype}"
                hint = f"delete {KEPT_FILE} and {KEPT_JSON}, and it is read as a dataset that others made"
                raise DataError(label, got, f"{(count, *column.shape)} {column.dtype}", hint)
            if self.finite:
                check_finite(array, label)
            spans = zip(self.chosen.begins, self.chosen.ends, strict=True)
            rows = self.chosen.numbers if column.is_onetime else np.concatenate([np.arange(b, e) for b, e in spans])
            found[column.name] = array if len(rows) == count else array[rows]
        return found

    def _allocate(
        self, columns: list[Column], extra: Mapping[str, np.ndarray], ends: np.ndarray, work: Work
    ) -> dict[str, np.ndarray]:
        shapes = {c.name: (len(ends) if c.is_onetime else int(ends[-1]), *c.shape) for c in columns if c.name not in extra}
        types = {column.name: column.dtype for column in columns}
        needed = sum(int(np.prod(shape, dtype=object)) * types[name].itemsize for name, shape in shapes.items())
        work.check_room(needed, self.where)
        return {**extra, **{name: work.allocate(name, shape, types[name]) for name, shape in shapes.items()}}

    def _block(self, columns: list[Column]) -> dict[str, Any]:
        """Returns what is needed to write the dataset of LeRobot again."""
        features = self.survey.features
        names = {key: features[key].names for key in features if not features[key].is_picture and features[key].names}
        places = {column.place: column.name for column in columns}
        robot = self.survey.info.get("robot_type")
        return {
            "fps": self.survey.fps,
            "robot_type": robot if isinstance(robot, str) else None,
            "names": places,
            "elements": names,
        }

    def _other_fates(self) -> list[Fate]:
        survey, chosen = self.survey, self.chosen
        known = {INFO, STATS, TASKS, KEPT_JSON, KEPT_FILE}
        told = [Fate(STATS, "", "Muse has its own statistics")] if (survey.folder / STATS).exists() else []
        if self.kept.columns:
            told += self.kept.fates(KEPT_JSON, chosen.splits if self.fits else {}, chosen.counts, self.fits)
            told.append(Fate(INFO, "", f"{survey.fps} rows a second"))
        else:
            told.append(Fate(INFO, f"_meta/{BLOCK}", f"{survey.fps} rows a second"))
        if not self.fits:
            found = chosen.splits
            told += [Fate(f"{INFO}, split {n}", f"split {n}", f"{len(found[n])} of {chosen.counts[n]} episodes") for n in found]
        top = [path for path in sorted(survey.folder.iterdir()) if path.name not in ("meta", "data", "videos")]
        for path in [*top, *sorted((survey.folder / "meta").iterdir())]:
            name = path.relative_to(survey.folder).as_posix()
            if name not in known and name != "meta/episodes":
                told.append(Fate(name, "", "no part of LeRobot's rows"))
        return told


def _of_changed(kept: Kept) -> Kept:
    """Returns what still holds where others have changed the episodes: what lies in their rows."""
    left = kept.of_changed()
    return Kept(left.meta, {place: column for place, column in left.columns.items() if not place.startswith(KEPT)})


def _parts(own: Mapping[str, Column], key: str) -> list[Column]:
    return [column for place, column in own.items() if place == key or place.startswith(key + "/")]


def _fit(columns: list[Column], feature: Feature) -> bool:
    """Whether what Muse wrote into a feature still lies in it."""
    if feature.is_picture:
        return [(column.shape, column.dtype) for column in columns] == [(feature.row_shape, np.dtype(np.uint8))]
    size = sum(int(np.prod(column.shape, dtype=object)) for column in columns)
    is_text = feature.dtype == "string"
    return size == int(np.prod(feature.shape)) and all((column.dtype.kind == "U") == is_text for column in columns)


def _is_there(place: str, names: Mapping[str, str]) -> bool:
    """Whether a place is among those to be read, by itself or with all of its feature."""
    return place in names or place.partition("/")[0] in names


def _check_nested(names: list[str], where: str) -> None:
    for name in names:
        inside = next((other for other in names if other.startswith(name + "/")), None)
        if inside:
            raise DataError(
                where, f"'{inside}' would lie inside the array '{name}'", "a place of its own", f"--map ...={name}_all"
            )


def _files(survey: Survey) -> Iterator[tuple[Path, int, int]]:
    """Yields each file of rows, its first row and the row after its last, of all rows."""
    begins: dict[Path, list[int]] = {}
    for (path, _), length, end in zip(survey.data, survey.lengths.tolist(), survey.ends.tolist(), strict=True):
        begins.setdefault(path, [end - length, end])[1] = end
    for path, (begin, end) in begins.items():
        yield path, begin, end
