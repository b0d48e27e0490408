"""Reads over the rows of an array that may be larger than memory: a part at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from muse.datasets.dataset import DataError, OnError, raise_error

#: Elements of a part. In float64 it takes 16 MiB.
_PART_ELEMENTS = 2**21


def parts_of(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Returns the first row of each part and the part, `(n, *shape)`."""
    step = max(1, _PART_ELEMENTS // max(1, math.prod(rows.shape[1:])))
    for begin in range(0, len(rows), step):
        yield begin, rows[begin : begin + step]


def check_finite(rows: np.ndarray, label: str, on_error: OnError = raise_error, first_row: int = 0) -> None:
    """Raises `DataError` for the first row of a float array `(N, *shape)` that holds NaN or infinity; rows count from `first_row`."""
    for row, _ in rows_not_finite(rows):
        return on_error(
            DataError(label, f"NaN or infinity in row {first_row + row}", "finite numbers", "drop or mend the episode")
        )
    return None


def rows_not_finite(rows: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yields the rows of an array `(N, *shape)` that hold NaN or infinity, and how many elements of each are so."""
    if rows.dtype.kind not in "fc":
        return
    for begin, part in parts_of(rows):
        if not is_finite(part):
            counts = np.count_nonzero(~np.isfinite(part).reshape(len(part), -1), axis=1)
            for row in np.flatnonzero(counts).tolist():
                yield begin + row, int(counts[row])


def rows_all(truths: np.ndarray) -> np.ndarray:
    """Returns whether all elements of each row of `(N, *shape)` are true, `(N,)`; of no elements, all are."""
    return truths.all(axis=tuple(range(1, truths.ndim)))


def is_finite(array: np.ndarray) -> bool:
    """Returns whether an array holds neither NaN nor infinity."""
    if array.dtype.kind not in "fc":
        return True
    # The sum is finite where all are, and much cheaper to look at; it may also overflow, then each is looked at.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


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
        if dtype.itemsize < array.dtype.itemsize and not is_finite(converted):
            # NaN and infinity that came are judged where it is known whether they may.
            check_finite(np.where(np.isfinite(array), converted, 0), f"{label}, as {dtype}")
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
