"""What a `.npy` header claims, checked before memory is taken for it."""

from __future__ import annotations

import math
import warnings
from typing import IO, NamedTuple

import numpy as np

from muse.datasets.dataset import DataError
from muse.utils.errors import brief

_MAX_SIZE = 2**62


class Header(NamedTuple):
    """A `.npy` header.

    Attributes:
        shape: Of the array.
        fortran: Whether the elements lie in column order.
        dtype: Of an element, never an object.
        size: Bytes of the header itself.
    """

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    size: int

    @property
    def num_bytes(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes], where: str) -> Header:
    """Reads the header at the beginning of `file` and leaves the file behind it.

    Raises:
        DataError: For bytes that are no header, and for an array that only pickle could read. Nothing is run.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran, dtype = _parse(file)
    except Exception as error:  # Whatever numpy and the parser of literals make of broken bytes.
        raise DataError(where, f"no readable header ({brief(error)})", "an array in numpy's format") from error
    if dtype.hasobject:
        raise DataError(
            where,
            "pickled objects; refused, nothing was run",
            "an array of numbers or fixed-size text",
            "load_ignore_prefixes, or convert the file",
        )
    if any(not isinstance(n, int) or not 0 <= n < _MAX_SIZE for n in shape) or math.prod(n for n in shape if n) >= _MAX_SIZE:
        raise DataError(where, f"shape {shape}", "sizes that fit into memory")
    if not dtype.itemsize:
        raise DataError(where, f"dtype {dtype} of no bytes", "numbers or text of at least one letter")
    return Header(shape, fortran, dtype, file.tell())


def _parse(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version in ((2, 0), (3, 0)):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version}")
