"""From episodes to a dataset of LeRobot: a part for each episode, and the parts joined."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats import npz
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.format import Tell
from muse.datasets.formats.lerobot import stats, videos
from muse.datasets.formats.lerobot.features import Feature
from muse.datasets.formats.lerobot.layout import Layout, Options
from muse.datasets.formats.lerobot.names import KEPT_FILE
from muse.datasets.formats.lerobot.survey import DATA_PATH, EPISODES_PATH, INFO, KEPT_JSON, STATS, TASKS, VERSION, VIDEO_PATH
from muse.datasets.formats.work import Work
from muse.utils.errors import brief
from muse.utils.files import atomic_write, put_folder, restore_folder, sync_tree, temporary_folder
from muse.utils.optional import require

#: Files of a folder, as LeRobot has it.
_CHUNK_FILES = 1000
_MEGABYTE = 2**20
#: Episodes whose meta data is written at once.
_EPISODES_AT_ONCE = 100
#: What pandas calls the column of an index without a name.
_INDEX = "__index_level_0__"

#: Columns of `meta/episodes`.
Columns = dict[str, list[Any]]


def write(
    path: Path, data: EpisodeData, names: Mapping[str, str], splits: Iterable[str], options: Options, work: Work, progress: Tell
) -> list[Fate]:
    """Writes a dataset. See `Format.write`."""
    for module in ("pyarrow", *(["av"] if options.video else [])):
        require(module, "lerobot", "LeRobot's datasets")
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise DataError(str(path), "a file", "a folder, or nothing yet")
    layout = Layout(data, names, splits, options)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _Parts(target, work) as parts:
        count = len(layout.lengths)
        if not all(file.exists() for number in range(work.done) for file in parts.files(layout.features, number)):
            work.forget()
        for number in range(work.done, count):
            _write_parts(layout, parts, number)
            work.commit(number + 1)
            progress(number + 1, count)
        restore_folder(target)
        with _building(target) as folder:
            _Assembly(layout, parts, folder).write()
    return layout.fates()


class _Parts:
    """Where the parts of episodes lie: in the folder of `work`, or, in memory, in one that is deleted at the end."""

    def __init__(self, target: Path, work: Work) -> None:
        self._target, self._work, self._stack = target, work, contextlib.ExitStack()
        self._folder: Path | None = None

    def __enter__(self) -> _Parts:
        if self._work.folder is None:
            prefix = f".{self._target.name}."
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(".tmp", prefix, self._target.parent)))
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def file(self, number: int, name: str) -> Path:
        """Returns the file of a part of an episode."""
        name = f"{number:06d}.{name}"
        return self._work.part(name) if self._folder is None else self._folder / name

    def files(self, features: list[Feature], number: int) -> list[Path]:
        """Returns all files of an episode."""
        shown = [f"{place}.mp4" for place, feature in enumerate(features) if feature.dtype == "video"]
        return [self.file(number, name) for name in ("parquet", "json", *shown)]


def _write_parts(layout: Layout, parts: _Parts, number: int) -> None:
    pa, parquet = (require(name, "lerobot", "LeRobot's datasets") for name in ("pyarrow", "pyarrow.parquet"))
    columns, found = {}, {}
    for place, feature in enumerate(layout.features):
        values = layout.values(feature, number)
        if feature.dtype == "video":
            options, file = layout.options, parts.file(number, f"{place}.mp4")
            videos.encode(file, values, feature.shape, layout.fps, options.codec, options.crf)
        else:
            label = f"{layout.where}: episode {number}, '{feature.key}'"
            try:
                columns[feature.key] = feature.to_arrow(values)
            except (pa.ArrowException, UnicodeError, OverflowError) as error:
                raise DataError(label, f"cannot be written ({brief(error)})", "what parquet can hold") from error
        if stats.has_stats(feature):
            found[feature.key] = stats.picture_stats_of(values) if feature.is_picture else stats.stats_of(values)
    with atomic_write(parts.file(number, "parquet")) as file:
        parquet.write_table(pa.table(columns), file)
    with atomic_write(parts.file(number, "json"), "w") as file:
        json.dump(stats.to_plain(found), file)


class _Assembly:
    """Joins parts to the files of a dataset.

    Args:
        folder: An empty folder.
    """

    def __init__(self, layout: Layout, parts: _Parts, folder: Path) -> None:
        self.layout, self.parts, self.folder = layout, parts, folder
        self.numbers = range(len(layout.lengths))
        self.pa, self.parquet = (require(name, "lerobot", "LeRobot's datasets") for name in ("pyarrow", "pyarrow.parquet"))

    def write(self) -> None:
        """Writes everything."""
        layout, options = self.layout, self.layout.options
        features = {feature.key: feature.to_info() for feature in layout.features}
        columns = self._join_rows()
        for place, feature in enumerate(layout.features):
            if feature.dtype == "video":
                columns |= self._join_videos(feature.key, f"{place}.mp4")
                features[feature.key]["info"] = self._describe(feature.key)
        found = [stats.from_plain(json.loads(self.parts.file(number, "json").read_text())) for number in self.numbers]
        self._write_episodes(columns, found)
        self._write_tasks()
        self._write_json(STATS, stats.to_plain(stats.aggregate(found)))
        self._write_json(
            INFO,
            {
                "codebase_version": VERSION, "robot_type": layout.block.get("robot_type"), "total_episodes": len(self.numbers),
                "total_frames": int(layout.lengths.sum()), "total_tasks": len(layout.tasks), "chunks_size": _CHUNK_FILES,
                "data_files_size_in_mb": options.data_mb, "video_files_size_in_mb": options.video_mb, "fps": layout.fps,
                "splits": {"train": f"0:{len(self.numbers)}"}, "data_path": DATA_PATH,
                "video_path": VIDEO_PATH if layout.has_videos else None, "features": features,
            },
        )  # fmt: skip
        self._write_json(KEPT_JSON, layout.plan.kept().to_dict())
        if layout.extra:
            npz.write_arrays(self.folder / KEPT_FILE, layout.extra_arrays(), {})

    def _join_rows(self) -> Columns:
        """Writes the files of rows; returns what `meta/episodes` says of them."""
        places = self._places("parquet", self.layout.options.data_mb)
        held = {feature.key: feature.huggingface() for feature in self.layout.features if feature.dtype != "video"}
        about = {"huggingface": json.dumps({"info": {"features": held}})}
        for place, numbers in self._groups(places):
            writer = None
            for number in numbers:
                table = self.parquet.read_table(self.parts.file(number, "parquet")).replace_schema_metadata(about)
                writer = writer or self.parquet.ParquetWriter(self._new_file(DATA_PATH, place), table.schema)
                writer.write_table(table)
            writer.close()
        ends = np.cumsum(self.layout.lengths)
        return {
            "episode_index": list(self.numbers),
            "tasks": [list(dict.fromkeys(self.layout.task_of(number))) for number in self.numbers],
            "length": self.layout.lengths.tolist(),
            **{f"data/{name}": [place[name] for place in places] for name in places[0]},
            "dataset_from_index": (ends - self.layout.lengths).tolist(), "dataset_to_index": ends.tolist(),
        }  # fmt: skip

    def _join_videos(self, key: str, name: str) -> Columns:
        """Writes the video files of a feature; returns what `meta/episodes` says of them."""
        places, lengths, fps = self._places(name, self.layout.options.video_mb), self.layout.lengths.tolist(), self.layout.fps
        begins = {}
        for place, numbers in self._groups(places):
            videos.join(self._new_file(VIDEO_PATH, place, key), [(self.parts.file(n, name), lengths[n]) for n in numbers], fps)
            at = 0
            for number in numbers:
                begins[number], at = at, at + lengths[number]
        return {
            **{f"videos/{key}/{name}": [place[name] for place in places] for name in places[0]},
            f"videos/{key}/from_timestamp": [begins[number] / fps for number in self.numbers],
            f"videos/{key}/to_timestamp": [(begins[number] + lengths[number]) / fps for number in self.numbers],
        }

    def _describe(self, key: str) -> dict[str, Any]:
        return videos.describe(self._new_file(VIDEO_PATH, {"chunk_index": 0, "file_index": 0}, key), self.layout.fps)

    def _write_episodes(self, columns: Columns, found: list[dict[str, stats.Stats]]) -> None:
        for key, each in found[0].items():
            for name in each:
                columns[f"stats/{key}/{name}"] = [episode[key][name].tolist() for episode in found]
        table = self.pa.table(columns)
        # An episode's share of the memory stands for its share of the file, which is not written yet.
        size = max(1, table.nbytes // len(self.numbers))
        episodes = max(1, self.layout.options.data_mb * _MEGABYTE // size)
        for file, begin in enumerate(range(0, len(self.numbers), episodes)):
            part = table.slice(begin, episodes)
            place = {"chunk_index": file // _CHUNK_FILES, "file_index": file % _CHUNK_FILES}
            for name, value in place.items():
                part = part.append_column(f"meta/episodes/{name}", self.pa.array([value] * len(part)))
            self.parquet.write_table(part, self._new_file(EPISODES_PATH, place), row_group_size=_EPISODES_AT_ONCE)

    def _write_tasks(self) -> None:
        """Writes the texts as the index of a table of pandas, which is how LeRobot finds them."""
        texts = {"name": None, "field_name": _INDEX, "pandas_type": "unicode", "numpy_type": "object", "metadata": None}
        number = {
            "name": "task_index",
            "field_name": "task_index",
            "pandas_type": "int64",
            "numpy_type": "int64",
            "metadata": None,
        }
        about = {"index_columns": [_INDEX], "column_indexes": [], "columns": [number, texts], "pandas_version": "2.0.0"}
        tasks = self.layout.tasks
        table = self.pa.table({"task_index": list(range(len(tasks))), _INDEX: self.pa.array(tasks, self.pa.string())})
        table = table.replace_schema_metadata({"pandas": json.dumps(about)})
        self.parquet.write_table(table, self._new_file(TASKS, {}))

    def _places(self, name: str, limit_mb: int) -> list[dict[str, int]]:
        """Returns the file of each episode's part: the next one where it would grow beyond the limit."""
        chunk, file, size, places = 0, 0, 0, []
        for number in self.numbers:
            part = self.parts.file(number, name).stat().st_size
            if size and size + part >= limit_mb * _MEGABYTE:
                chunk, file, size = (chunk, file + 1, 0) if file + 1 < _CHUNK_FILES else (chunk + 1, 0, 0)
            size += part
            places.append({"chunk_index": chunk, "file_index": file})
        return places

    def _groups(self, places: list[dict[str, int]]) -> Iterator[tuple[dict[str, int], list[int]]]:
        for _, numbers in itertools.groupby(self.numbers, lambda number: tuple(places[number].values())):
            listed = list(numbers)
            yield places[listed[0]], listed

    def _new_file(self, pattern: str, place: Mapping[str, int], key: str = "") -> Path:
        path = self.folder / pattern.format(**place, video_key=key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _write_json(self, name: str, values: Any) -> None:
        self._new_file(name, {}).write_text(json.dumps(values, indent=4, ensure_ascii=False), encoding="utf-8")


@contextlib.contextmanager
def _building(target: Path) -> Iterator[Path]:
    """Yields an empty folder that takes the place of `target` when the block ends well, and is deleted otherwise."""
    with temporary_folder(target) as folder:
        yield folder
        sync_tree(folder)
        put_folder(folder, target)
