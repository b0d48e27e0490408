"""Reads over the rows of an array that may be larger than memory: a part at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from muse.datasets.dataset import DataError
from muse.specs import Statistics

#: Elements of a part. In float64 it takes 16 MiB.
_PART_ELEMENTS = 2**21


def parts_of(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Returns the first row of each part and the part, `(n, *shape)`."""
    step = max(1, _PART_ELEMENTS // max(1, rows[:1].size))
    for begin in range(0, len(rows), step):
        yield begin, rows[begin : begin + step]


def check_finite(rows: np.ndarray, label: str) -> None:
    """Raises `DataError` for the first row of a float array `(N, *shape)` that holds NaN or infinity."""
    if rows.dtype.kind not in "fc":
        return
    for begin, part in parts_of(rows):
        # The sum is finite where all are, and much cheaper to look at; it may also overflow, then each is looked at.
        with np.errstate(over="ignore", invalid="ignore"):
            suspect = not np.isfinite(part.sum())
        if suspect and not (good := np.isfinite(part).reshape(len(part), -1).all(axis=1)).all():
            got = f"NaN or infinity in row {begin + int(np.argmin(good))}"
            raise DataError(label, got, "finite numbers", "drop or mend the episode")


def to_type(array: np.ndarray, dtype: np.dtype, label: str) -> np.ndarray:
    """Returns `array` as `dtype` where that loses no meaning: the same kind, whole numbers that fit, or 0 and 1 for bool.

    Raises:
        DataError: Where it would.
    """
    if array.dtype == dtype:
        return array
    kinds = array.dtype.kind + dtype.kind
    if kinds == "ff":
        with np.errstate(over="ignore"):
            converted = array.astype(dtype)
        if dtype.itemsize < array.dtype.itemsize:
            check_finite(converted, f"{label}, as {dtype}")
        return converted
    if kinds == "UU":
        longest = int(np.char.str_len(array).max()) if array.size else 0
        if longest > dtype.itemsize // 4:
            raise DataError(label, f"text of {longest} letters", f"at most {dtype.itemsize // 4}")
        return array.astype(dtype)
    if kinds == "SS":
        longest = int(np.char.str_len(array).max()) if array.size else 0
        if longest > dtype.itemsize:
            raise DataError(label, f"text of {longest} bytes", f"at most {dtype.itemsize}")
        return array.astype(dtype)
    if array.dtype.kind in "iub" and dtype.kind in "iub":
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if array.size and (array.min() < low or array.max() > high):
            raise DataError(label, f"{array.dtype} from {array.min()} to {array.max()}", f"what {dtype} holds")
        return array.astype(dtype)
    raise DataError(label, f"dtype {array.dtype}", str(dtype))


def statistics_of(rows: np.ndarray) -> Statistics:
    """Returns the statistics of `(N, *shape)` in float64, in two passes; `N` is 1 or more."""
    low = np.min([part.min(axis=0) for _, part in parts_of(rows)], axis=0).astype(np.float64)
    high = np.max([part.max(axis=0) for _, part in parts_of(rows)], axis=0).astype(np.float64)
    mean = np.sum([part.sum(axis=0, dtype=np.float64) for _, part in parts_of(rows)], axis=0) / len(rows)
    squares = np.sum([((part - mean) ** 2).sum(axis=0) for _, part in parts_of(rows)], axis=0)
    # Rounding of the mean must not make a constant vary.
    constant = low == high
    std = np.where(constant, 0.0, np.sqrt(squares / len(rows)))
    return Statistics(np.where(constant, low, mean), std, low, high, len(rows))
