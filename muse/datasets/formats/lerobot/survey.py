"""What a dataset of LeRobot says of itself: its features, episodes and files, checked against one another."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.kept import Kept, load_json
from muse.datasets.formats.lerobot.features import Feature
from muse.datasets.formats.lerobot.names import OWN
from muse.datasets.formats.lerobot.tables import AGAIN, check_claim, open_table
from muse.utils.optional import require

VERSION = "v3.0"
INFO, STATS, TASKS, KEPT_JSON = "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/muse.json"
_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
EPISODES_PATH = f"meta/episodes/{_FILE}.parquet"
DATA_PATH, VIDEO_PATH = f"data/{_FILE}.parquet", f"videos/{{video_key}}/{_FILE}.mp4"
_MAX_JSON_BYTES = 2**26
_MAX_INDEX = 10**6


class Survey:
    """A dataset, looked through; neither rows nor frames are read.

    Args:
        folder: The dataset.

    Attributes:
        info: `info.json`.
        features: All features by key.
        fps: Rows per second.
        lengths, ends: `(E,)` int64, rows of each episode, and the row after its last.
        data: File and first row in it, of each episode.
        videos: File and time [s] of the first frame, of each episode, by key.
        tasks: Texts.
        kept: What Muse keeps in it.

    Raises:
        DataError: For whatever is missing or contradicts itself.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.where = folder, str(folder)
        self.info = self._read_info()
        self.features = self._read_features()
        self.fps = self._number("fps", 1, 10**4)
        self.tasks = self._read_tasks()
        table = self._read_episodes()
        self.lengths: np.ndarray = table["length"]
        self.ends = np.cumsum(self.lengths, dtype=np.int64)
        self._check_rows(table)
        files = self._files(table, "data", DATA_PATH)
        firsts = {file: int(self.ends[number] - self.lengths[number]) for number, file in reversed(list(enumerate(files)))}
        self.data = [(file, int(self.ends[n] - self.lengths[n]) - firsts[file]) for n, file in enumerate(files)]
        self._check_files(files)
        self.videos = {key: self._places(table, key) for key, feature in self.features.items() if feature.dtype == "video"}
        path = folder / KEPT_JSON
        self.kept = Kept.from_dict(read_json(path), str(path)) if path.exists() else Kept()

    def splits(self) -> dict[str, list[int]]:
        """Returns the episodes of the named splits of `info.json`, which are ranges."""
        splits = self.info.get("splits") or {}
        found = {}
        for name, text in splits.items() if isinstance(splits, dict) else [("splits", splits)]:
            begin, _, end = text.partition(":") if isinstance(text, str) else ("", "", "")
            if not (begin.isdecimal() and end.isdecimal() and int(begin) <= int(end) <= len(self.lengths)):
                expected = f"begin:end, up to {len(self.lengths)} episodes"
                raise DataError(f"{self.where}/{INFO}: split '{name}'", repr(text)[:100], expected)
            found[name] = list(range(int(begin), int(end)))
        return found

    def _read_info(self) -> dict[str, Any]:
        info, label = read_json(self.folder / INFO), f"{self.where}/{INFO}"
        if not isinstance(info, dict):
            raise DataError(label, f"a {type(info).__name__}", "a JSON object")
        version = info.get("codebase_version")
        if version != VERSION:
            old = isinstance(version, str) and version.startswith("v2")
            step = "python -m lerobot.datasets.v30.convert_dataset_v21_to_v30 (LeRobot 0.4), "
            step += "after its convert_dataset_v20_to_v21 for v2.0" if version == "v2.0" else "which brings v2.1 to v3.0"
            raise DataError(label, f"codebase_version {version!r}"[:100], VERSION, step if old else "a dataset of LeRobot 0.4")
        for key, wanted in (("data_path", DATA_PATH), ("video_path", VIDEO_PATH)):
            # A pattern that a stranger wrote could lead anywhere.
            if info.get(key) not in (wanted, *([None] if key == "video_path" else [])):
                raise DataError(f"{label}: {key}", repr(info.get(key))[:100], f"'{wanted}', as LeRobot writes it")
        return info

    def _read_features(self) -> dict[str, Feature]:
        listed, label = self.info.get("features"), f"{self.where}/{INFO}"
        if not isinstance(listed, dict):
            raise DataError(label, "no 'features'", "a JSON object of features")
        features = {key: Feature.from_info(key, values, label) for key, values in listed.items()}
        for own in OWN:
            there = features.get(own.key)
            if there is None or (there.dtype, there.shape) != (own.dtype, own.shape):
                raise DataError(f"{label}: feature '{own.key}'", "missing or of another type", f"{own.dtype} {own.shape}", AGAIN)
        return features

    def _number(self, key: str, low: int, high: int) -> int:
        value = self.info.get(key)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise DataError(f"{self.where}/{INFO}: {key}", repr(value)[:100], f"a whole number from {low} to {high}")
        return value

    def _read_tasks(self) -> list[str]:
        path = self.folder / TASKS
        with open_table(path) as file:
            pa = require("pyarrow", "lerobot", "LeRobot's datasets")
            texts = [f.name for f in file.schema_arrow if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
            if "task_index" not in file.schema_arrow.names or len(texts) != 1:
                raise DataError(str(path), "columns " + ", ".join(file.schema_arrow.names), "task_index and one of text")
            check_claim(path, file.metadata.num_rows, 2)
            table = file.read()
        numbers, tasks = table["task_index"].to_pylist(), table[texts[0]].to_pylist()
        # LeRobot counts the rows, whatever their numbers are.
        if numbers != list(range(len(tasks))) or any(not isinstance(task, str) for task in tasks):
            raise DataError(str(path), "tasks out of order", "task_index 0, 1, 2 ... and a text for each")
        return tasks

    def _read_episodes(self) -> dict[str, np.ndarray]:
        count = self._number("total_episodes", 0, 2**40)
        paths = sorted((self.folder / "meta" / "episodes").glob("*/*.parquet"))
        if not paths or not count:
            raise DataError(f"{self.where}/meta/episodes", "no episodes", "at least one")
        whole = ["episode_index", "length", "dataset_from_index", "dataset_to_index", "data/chunk_index", "data/file_index"]
        seconds = []
        for key in (key for key, feature in self.features.items() if feature.dtype == "video"):
            whole += [f"videos/{key}/chunk_index", f"videos/{key}/file_index"]
            seconds.append(f"videos/{key}/from_timestamp")
        parts: dict[str, list[np.ndarray]] = {name: [] for name in (*whole, *seconds)}
        for path in paths:
            with open_table(path) as file:
                missing = [name for name in parts if name not in file.schema_arrow.names]
                if missing:
                    raise DataError(str(path), f"no column '{missing[0]}'", "what LeRobot writes of every episode", AGAIN)
                check_claim(path, file.metadata.num_rows, len(parts))
                table = file.read(columns=list(parts))
            for name, kind in ((name, "f" if name in seconds else "i") for name in parts):
                column = table[name]
                values = column.to_numpy() if not column.null_count else np.zeros(0, "U1")
                if values.dtype.kind != kind or not np.isfinite(values).all():
                    raise DataError(
                        f"{path}: '{name}'", f"rows of type {column.type}, or without value", "a number for each episode"
                    )
                parts[name].append(values)
        joined = {name: np.concatenate(values) for name, values in parts.items()}
        if len(joined["length"]) != count:
            got = f"{len(joined['length'])} episodes"
            raise DataError(f"{self.where}/meta/episodes", got, f"{count}, as {INFO} says", AGAIN)
        return joined

    def _check_rows(self, table: dict[str, np.ndarray]) -> None:
        label, numbers = f"{self.where}/meta/episodes", np.arange(len(self.lengths))
        if (self.lengths < 1).any() or (self.ends < 1).any():
            raise DataError(label, f"episode {int(np.argmin(self.lengths))} without rows", "at least one in each")
        wanted = {"episode_index": numbers, "dataset_from_index": self.ends - self.lengths, "dataset_to_index": self.ends}
        for name, values in wanted.items():
            if not np.array_equal(table[name], values):
                at = int(np.argmax(table[name] != values))
                got, expected = f"'{name}' {table[name][at]} for episode {at}", f"{values[at]}, which follows from the lengths"
                raise DataError(label, got, expected, AGAIN)
        total = self._number("total_frames", 0, 2**60)
        if total != self.ends[-1]:
            raise DataError(label, f"{self.ends[-1]} rows", f"{total}, as {INFO} says", AGAIN)

    def _files(self, table: dict[str, np.ndarray], begin: str, pattern: str, key: str = "") -> list[Path]:
        chunks, files = table[f"{begin}/chunk_index"], table[f"{begin}/file_index"]
        if any((numbers < 0).any() or (numbers > _MAX_INDEX).any() for numbers in (chunks, files)):
            raise DataError(f"{self.where}/meta/episodes", f"numbers of '{begin}' files out of range", f"0 to {_MAX_INDEX}")
        return [
            self.folder / pattern.format(chunk_index=int(chunk), file_index=int(file), video_key=key)
            for chunk, file in zip(chunks, files, strict=True)
        ]

    def _check_files(self, files: list[Path]) -> None:
        """Checks that the episodes of a file follow one another, and that it has as many rows as they."""
        if len(set(files)) != 1 + sum(a != b for a, b in itertools.pairwise(files)):
            raise DataError(f"{self.where}/meta/episodes", "episodes of a file that do not follow one another", "files in order")
        rows: dict[Path, int] = {}
        for file, length in zip(files, self.lengths.tolist(), strict=True):
            rows[file] = rows.get(file, 0) + length
        for path, wanted in rows.items():
            with open_table(path) as file:
                there, names = file.metadata.num_rows, file.schema_arrow.names
            if there != wanted:
                raise DataError(str(path), f"{there} rows", f"{wanted}, as its episodes have", AGAIN)
            for key, feature in self.features.items():
                if feature.dtype != "video" and names.count(key) != 1:
                    raise DataError(str(path), f"{names.count(key)} columns '{key}'", f"one, as {INFO} says", AGAIN)

    def _places(self, table: dict[str, np.ndarray], key: str) -> list[tuple[Path, float]]:
        files = self._files(table, f"videos/{key}", VIDEO_PATH, key)
        return list(zip(files, table[f"videos/{key}/from_timestamp"].tolist(), strict=True))


def read_json(path: Path) -> Any:
    """Returns what a JSON file holds.

    Raises:
        DataError: For a file that is missing, too large or no JSON.
    """
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise DataError(str(path), f"{path.stat().st_size} bytes", f"at most {_MAX_JSON_BYTES}")
        return load_json(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(str(path), f"cannot be read ({error.strerror})", "a dataset of LeRobot", AGAIN) from error


def looks_like(path: Path) -> bool:
    """Returns whether a folder has the `info.json` of a dataset of LeRobot, of whatever version."""
    try:
        file = path / INFO
        if not file.is_file() or file.stat().st_size > _MAX_JSON_BYTES:
            return False
        info = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(info, dict) and "codebase_version" in info
