"""What a dataset holds, in numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.numbers import rows_not_finite
from muse.datasets.statistics import statistics_of
from muse.datasets.tools.opening import open_data
from muse.datasets.tools.specs import arrays_spec
from muse.datasets.tools.success import Success, success_of
from muse.specs import EnvSpec, Leaf, Statistics

#: Names with larger rows (pictures) are judged by so many rows, evenly spread.
LARGE_ROW_ELEMENTS, SAMPLED_ROWS = 4096, 256
#: Names with more elements have no list of each element in `to_dict`.
_MAX_LISTED = 64


@dataclass(frozen=True)
class NameSummary:
    """What a name holds.

    Attributes:
        leaf: Shape, type, unit, role and limits.
        is_onetime: One value per episode instead of one per row.
        rows: Rows, or values.
        num_bytes: Of all of them.
        statistics: Over `statistics.count` rows; None for text, for no rows, and where numbers are not finite.
        not_finite: Rows that hold NaN or infinity.
    """

    leaf: Leaf
    is_onetime: bool
    rows: int
    num_bytes: int
    statistics: Statistics | None
    not_finite: int

    @property
    def constant(self) -> list[int]:
        """Elements that have one value in all rows, by their place in the flattened shape."""
        return [] if self.statistics is None else np.flatnonzero(np.ravel(self.statistics.std) == 0).tolist()

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        stats = self.statistics
        listed = stats is not None and stats.mean.size <= _MAX_LISTED
        return {
            **self.leaf.to_dict(), "onetime": self.is_onetime, "rows": self.rows, "bytes": self.num_bytes, "not_finite": self.not_finite,
            "constant": self.constant if listed else [],
            "statistics": None if stats is None else {
                "rows": stats.count, "min": float(stats.min.min(initial=np.inf)), "max": float(stats.max.max(initial=-np.inf)),
                "mean": float(stats.mean.mean()), "std": overall_std(stats),
                **({f"{key}_by_element": getattr(stats, key).tolist() for key in ("min", "max", "mean", "std")} if listed else {}),
            },
        }  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """What a dataset holds. `to_dict` has all of it as plain values.

    Attributes:
        file: The file.
        lengths: `(E,)` int64, rows of each episode.
        names: In the order of the spec.
        success: Which episodes succeeded; None where the data does not tell.
        meta: The file's meta data.
        disk_bytes: On the disk.
        memory_bytes: Of all arrays; those of a `.muse` folder are mapped and need no memory of their own.
        has_meta: Whether the file says what its names are.
    """

    file: str
    lengths: np.ndarray
    names: list[NameSummary]
    success: Success | None
    meta: dict[str, Any]
    disk_bytes: int
    memory_bytes: int
    has_meta: bool = field(default=True)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        lengths, success = self.lengths, self.success
        return {
            "file": self.file,
            "episodes": len(lengths),
            "rows": int(lengths.sum()),
            "lengths": {} if not len(lengths) else {
                "min": int(lengths.min()), "median": float(np.median(lengths)), "max": int(lengths.max()),
            },
            "success": None if success is None else {
                "episodes": int(success.values.sum()), "share": float(success.values.mean()) if len(lengths) else None,
                "told_by": success.source,
            },
            "disk_bytes": self.disk_bytes,
            "memory_bytes": self.memory_bytes,
            "names": [name.to_dict() for name in self.names],
            "splits": {name: len(split) for name, split in self.meta.get("splits", {}).items()},
            "fingerprint": self.meta.get("fingerprint"),
            "collection": self.meta.get("collection"),
        }  # fmt: skip


def summarize(path: str | os.PathLike[str], progress: Callable[[int, int], Any] = lambda done, total: None) -> Summary:
    """Returns what a dataset holds. NaN and infinity are counted, not refused.

    Args:
        path: The dataset.
        progress: Is told how many names are done, of how many.

    Raises:
        DataError: For whatever else is wrong in it; `muse.datasets.tools.checking` lists all of that.
    """
    data = open_data(path, finite=False)
    spec = arrays_spec(data)
    names = []
    for i, name in enumerate(spec.all_names):
        names.append(_summarize_name(data, name, spec))
        progress(i + 1, len(spec.all_names))
    memory = sum(array.nbytes for array in (*data.steps.values(), *data.onetime.values()))
    lengths = np.diff(data.ends, prepend=0)
    meta = dict(data.meta)
    return Summary(str(path), lengths, names, success_of(data), meta, size_on_disk(path), memory, "spec" in meta)


def _summarize_name(data: EpisodeData, name: str, spec: EnvSpec) -> NameSummary:
    is_onetime = name in data.onetime
    array = data.onetime[name] if is_onetime else data.steps[name]
    rows = sampled(array)
    not_finite = sum(1 for _ in rows_not_finite(array))
    has_numbers = len(rows) and rows.size and rows.dtype.kind in "fiub" and not not_finite
    return NameSummary(
        spec.leaf(name), is_onetime, len(array), array.nbytes, statistics_of(rows) if has_numbers else None, not_finite
    )


def sampled(array: np.ndarray) -> np.ndarray:
    """Returns the rows by which an array is judged: all of them, or some where a row is large."""
    if array[:1].size <= LARGE_ROW_ELEMENTS or len(array) <= SAMPLED_ROWS:
        return array
    return array[np.linspace(0, len(array) - 1, SAMPLED_ROWS).astype(np.int64)]


def overall_std(statistics: Statistics) -> float:
    """Returns the standard deviation over all rows and elements."""
    return float(np.sqrt((statistics.std**2).mean() + statistics.mean.var()))


def size_on_disk(path: str | os.PathLike[str]) -> int:
    """Returns the bytes of a file, or of all files of a folder."""
    root = Path(path)
    return sum(file.stat().st_size for file in root.rglob("*") if file.is_file()) if root.is_dir() else root.stat().st_size
