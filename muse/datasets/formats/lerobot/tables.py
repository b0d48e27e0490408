"""Parquet files: opened, checked before memory is taken for what they claim, read a part at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.npz import physical_memory
from muse.utils.files import format_bytes
from muse.utils.optional import require

#: What to try when a file is broken.
AGAIN = "download the dataset again"
#: Rows of a batch.
BATCH = 512


@contextlib.contextmanager
def open_table(path: Path) -> Iterator[Any]:
    """Opens a parquet file.

    Raises:
        DataError: For whatever goes wrong with it inside the block.
    """
    pa, parquet = (require(name, "lerobot", "LeRobot's datasets") for name in ("pyarrow", "pyarrow.parquet"))
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except FileNotFoundError as error:
        raise DataError(str(path), "no such file", "a parquet file", AGAIN) from error
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        got = f"cut short or no parquet file ({type(error).__name__}: {error})"[:300]
        raise DataError(str(path), got, "a parquet file", AGAIN) from error


class Rows:
    """Rows of a parquet file, read on from one place to the next; a batch is in memory. A context manager.

    Args:
        path: The file.
        columns: What to read of it.
        begin: The first row to be asked for.
        batch: Rows of a batch.
    """

    def __init__(self, path: Path, columns: Iterable[str], begin: int, batch: int) -> None:
        self.path, self.columns = path, list(columns)
        self._stack = contextlib.ExitStack()
        with self._stack:
            file = self._stack.enter_context(open_table(path))
            counts = np.array([file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)], np.int64)
            first = int(np.searchsorted(np.cumsum(counts), begin, side="right"))
            self._at = int(counts[:first].sum())
            groups = list(range(first, len(counts)))
            self._batches = file.iter_batches(batch, row_groups=groups, columns=self.columns)
            self._batch: Any = None
            self._stack = self._stack.pop_all()

    def close(self) -> None:
        """Closes the file."""
        self._stack.close()

    def take(self, begin: int, end: int) -> Iterator[Any]:
        """Yields the rows from `begin` on, in parts; never earlier rows than those yielded before.

        Raises:
            DataError: For a file that is cut short.
        """
        while begin < end:
            if self._batch is None or self._at + len(self._batch) <= begin:
                self._at += 0 if self._batch is None else len(self._batch)
                self._batch = self._read()
                continue
            part = self._batch.slice(begin - self._at, end - begin)
            yield part
            begin += len(part)

    def _read(self) -> Any:
        pa = require("pyarrow", "lerobot", "LeRobot's datasets")
        try:
            return next(self._batches)
        except StopIteration:
            raise DataError(str(self.path), "fewer rows than it claims", "all of them", AGAIN) from None
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            got = f"cut short ({type(error).__name__}: {error})"[:300]
            raise DataError(str(self.path), got, "rows of parquet", AGAIN) from error


def check_claim(path: Path, rows: int, columns: int) -> None:
    """Checks what a file claims before memory is taken for it."""
    needed, there = rows * columns * 64, physical_memory()
    if needed > there:
        got = f"{rows} rows, which take {format_bytes(needed)}"
        raise DataError(str(path), got, f"at most the {format_bytes(there)} of memory here", AGAIN)


def column_of(batch: Any, key: str, path: Path) -> Any:
    """Returns a column of a batch by its name. Raises `DataError` where it is not there, or twice."""
    at = batch.schema.get_field_index(key)
    if at < 0:
        raise DataError(str(path), f"no column '{key}'", "every feature of info.json", AGAIN)
    return batch.column(at)
