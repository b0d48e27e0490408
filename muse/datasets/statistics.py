"""Statistics over the rows of an array that may be larger than memory, remembered where they take long."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.numbers import parts_of
from muse.specs import Statistics
from muse.specs.statistics import QUANTILES
from muse.utils.files import atomic_write

_log = logging.getLogger(__name__)

#: Arrays of at most so many elements are sorted for their quantiles; of larger ones they are counted in bins.
_SORTED_ELEMENTS = 2**24
#: Counters of all bins together.
_COUNTERS = 2**23
_MAX_BINS = 1024
#: How closely a counted quantile is found, as a share of the range between minimum and maximum.
_CLOSENESS = 1e-6
#: Statistics of more bytes than this are remembered.
_REMEMBERED_BYTES = 2**26
#: Changes with what is computed: what an older version remembered is computed again.
_VERSION = 1


def statistics_of(rows: np.ndarray | JoinedRows) -> Statistics:
    """Returns the statistics of `rows`, a part at a time; remembered by their contents where they are many.

    What is remembered lies in `$MUSE_CACHE/statistics` (`~/.cache/muse/statistics` if that is not set), and may be deleted at any time.

    Args:
        rows: `(N, *shape)` numbers, `N` is 1 or more: an array, a map of a file, or whatever has slices, a shape and a dtype.
    """
    if len(rows) * rows[:1].nbytes < _REMEMBERED_BYTES:
        return compute_statistics(rows)
    folder = _folder()
    if folder is None:
        return compute_statistics(rows)
    file = folder / f"{_hash(rows)}.npz"
    found = _recall(file)
    if found is None:
        found = compute_statistics(rows)
        _remember(file, found)
    return found


class JoinedRows:
    """The rows of several arrays one after another, `(N, *shape)`, as far as statistics use an array: `len`, slices, shape and dtype.

    Args:
        parts: Arrays, or what has slices, a shape and a dtype; one or more, all of one shape of a row and one dtype.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape, self.dtype = (len(self), *parts[0].shape[1:]), parts[0].dtype

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, rows: slice) -> np.ndarray:
        begin, end, _ = rows.indices(len(self))
        first, last = np.searchsorted(self._ends, (begin, max(begin, end - 1)), side="right")
        pieces = []
        for part, stop in zip(self._parts[first : last + 1], self._ends[first : last + 1].tolist(), strict=True):
            start = stop - len(part)
            pieces.append(part[max(begin - start, 0) : end - start])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces or [self._parts[0][:0]])


def compute_statistics(rows: np.ndarray) -> Statistics:
    """Returns the statistics of `rows` `(N, *shape)`, `N` is 1 or more, in float64.

    Mean and deviation take two passes. Quantiles are those of `np.quantile` (linear between neighbours), to a millionth of the range where
    the rows are too many to be sorted.
    """
    shape = rows.shape[1:]
    # One pass for all three: what is larger than memory comes from the disk each time.
    found = [(part.min(axis=0), part.max(axis=0), part.sum(axis=0, dtype=np.float64)) for _, part in parts_of(rows)]
    lows, highs, sums = zip(*found, strict=True)
    low, high = np.min(lows, axis=0).astype(np.float64), np.max(highs, axis=0).astype(np.float64)
    mean = np.sum(sums, axis=0) / len(rows)
    squares = np.sum([((part - mean) ** 2).sum(axis=0) for _, part in parts_of(rows)], axis=0)
    # Rounding of the mean must not make a constant vary.
    constant = low == high
    std = np.where(constant, 0.0, np.sqrt(squares / len(rows)))
    quantiles = _quantiles(rows, low.reshape(-1), high.reshape(-1)).reshape(len(QUANTILES), *shape)
    return Statistics(np.where(constant, low, mean), std, low, high, len(rows), quantiles)


def _quantiles(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Returns `(Q, S)`; `low` and `high` are `(S,)`."""
    if not len(low):
        return np.empty((len(QUANTILES), 0))
    if len(rows) * len(low) <= _SORTED_ELEMENTS:
        whole = np.asarray(rows[:]).reshape(len(rows), -1)
        whole = whole if whole.dtype.kind == "f" and whole.dtype.itemsize > 2 else whole.astype(np.float64)
        return np.quantile(whole, QUANTILES, axis=0).astype(np.float64)
    values_of = _count_bytes if rows.dtype.itemsize == 1 else _count_in_bins
    places = np.asarray(QUANTILES) * (len(rows) - 1)
    ranks = np.unique(np.concatenate([np.floor(places), np.ceil(places)])).astype(np.int64)
    values = values_of(rows, ranks, low, high)
    before, after = (np.searchsorted(ranks, side(places)) for side in (np.floor, np.ceil))
    share = (places - np.floor(places))[:, None]
    return values[before] * (1 - share) + values[after] * share


def _count_bytes(rows: np.ndarray, ranks: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Returns the values `(R, S)` of some ranks of each element, of which there are 256 at most."""
    size, chunk = len(low), _COUNTERS // 256
    values = np.empty((len(ranks), size))
    lowest = int(low.min())
    for first in range(0, size, chunk):
        width = min(chunk, size - first)
        counted = np.zeros(width * 256, np.int64)
        columns = np.arange(width) * 256 - lowest
        for _, part in parts_of(rows):
            cells = part.reshape(len(part), size)[:, first : first + width] + columns
            counted += np.bincount(cells.reshape(-1), minlength=width * 256)
        reached = np.cumsum(counted.reshape(width, 256), axis=1)
        for i, rank in enumerate(ranks):
            values[i, first : first + width] = (reached <= rank).sum(axis=1) + lowest
    return values


def _count_in_bins(rows: np.ndarray, ranks: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Returns the values `(R, S)` of some ranks of each element: in each pass the bracket of one becomes the bin that holds it."""
    count, size = len(ranks), len(low)
    bins = int(np.clip(_COUNTERS // (count * size), 8, _MAX_BINS))
    bottom, top = np.tile(low, (count, 1)), np.tile(high, (count, 1))
    closeness = _CLOSENESS * (high - low)
    while np.any(top - bottom > closeness):
        width = (top - bottom) / bins
        scale = np.divide(1.0, width, out=np.zeros_like(width), where=width > 0)
        counted = np.zeros((count, size, bins), np.int64)
        below = np.zeros((count, size), np.int64)
        columns = np.arange(size) * bins
        for _, part in parts_of(rows):
            values = part.reshape(len(part), -1).astype(np.float64)
            for i in range(count):
                bin_of = np.floor((values - bottom[i]) * scale[i])
                # A bin has no upper end of its own, but for the one that ends with the maximum.
                bin_of[(values == high) & (top[i] >= high)] = bins - 1
                below[i] += (bin_of < 0).sum(axis=0)
                inside = (bin_of >= 0) & (bin_of < bins)
                cells = (bin_of.astype(np.int64) + columns)[inside]
                counted[i] += np.bincount(cells, minlength=size * bins).reshape(size, bins)
        wanted = ranks[:, None] - below
        chosen = (np.cumsum(counted, axis=2) <= wanted[:, :, None]).sum(axis=2).clip(0, bins - 1)
        bottom = bottom + chosen * width
        top = np.minimum(bottom + width, high)
        bottom = np.minimum(bottom, top)
    return (bottom + top) / 2


def _folder() -> Path | None:
    try:
        return Path(os.environ.get("MUSE_CACHE") or "~/.cache/muse").expanduser() / "statistics"
    except RuntimeError:  # A user without a home folder.
        return None


def _hash(rows: np.ndarray) -> str:
    digest = hashlib.blake2b(f"{_VERSION} {rows.shape} {np.dtype(rows.dtype).str}".encode(), digest_size=20)
    for _, part in parts_of(rows):
        digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8))
    return digest.hexdigest()


def _recall(file: Path) -> Statistics | None:
    try:
        with open(file, "rb") as opened, np.load(opened, allow_pickle=False) as found:
            values = {name: found[name] for name in ("mean", "std", "min", "max", "quantiles")}
            return Statistics(count=int(found["count"]), **values)
    except FileNotFoundError:
        return None
    except Exception as error:  # Whatever numpy and zipfile make of a damaged file.
        _log.warning("%s: cannot be read (%s); the statistics are computed again", file, error)
        return None


def _remember(file: Path, found: Statistics) -> None:
    try:
        with atomic_write(file) as opened:
            np.savez(
                opened, mean=found.mean, std=found.std, min=found.min, max=found.max, count=found.count, quantiles=found.quantiles
            )
    except OSError as error:
        _log.info("%s: cannot be written (%s); the statistics are not remembered", file, error)
