"""Writers to text files, a line at a time. Every run has them.

A crash can leave half a line at the end; it is dropped when the file is opened again. Lines of the steps after the checkpoint
that a run goes on from are dropped by `truncate`, for they will be written once more.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from muse.trainers.writers.writer import Writer
from muse.utils.files import atomic_write


class LineFile:
    """A text file that grows by whole lines. It is made, or opened, by the first line.

    Args:
        path: The file.
        header: Its first line, without the newline; none when empty.
    """

    def __init__(self, path: str | os.PathLike[str], header: str = "") -> None:
        self.path, self.header = Path(path), header
        self._file: IO[bytes] | None = None

    def append(self, line: str) -> None:
        """Writes a line, given without its newline; other processes see it at once."""
        if self._file is None:
            self._file = self._open()
        self._file.write(line.encode() + b"\n")

    def keep(self, wanted: Callable[[str], bool]) -> None:
        """Drops every line after the header that is not `wanted`, and a half one at the end."""
        self.close()
        if not self.path.is_file():
            return
        content = self.path.read_bytes()
        lines = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)
        kept = lines[: bool(self.header)] + [line for line in lines[bool(self.header) :] if wanted(line.decode(errors="replace"))]
        if b"".join(kept) != content:
            with atomic_write(self.path) as file:
                file.writelines(kept)

    def flush(self) -> None:
        """Syncs the file to the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Syncs and closes the file."""
        if self._file is not None:
            self.flush()
            self._file.close()
            self._file = None

    def _open(self) -> IO[bytes]:
        self.keep(lambda line: True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = open(self.path, "ab", buffering=0)  # noqa: SIM115  (closed by `close`)
        if self.header and file.tell() == 0:
            file.write(self.header.encode() + b"\n")
        return file


class JsonlWriter(Writer):
    """Writes `metrics.jsonl`: an object `{"step": int, "name": str, "value": float, "time": float}` on each line.

    `time` is in seconds since 1970-01-01 UTC. Values are written to the last bit; those that are not finite as Python's
    `json` writes and reads them (`NaN`, `Infinity`).

    Args:
        path: The file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._lines = LineFile(path)

    def scalar(self, name: str, value: float, step: int) -> None:
        """See `Writer.scalar`."""
        values = {"step": int(step), "name": name, "value": float(value), "time": round(time.time(), 3)}
        self._lines.append(json.dumps(values))

    def truncate(self, step: int) -> None:
        """See `Writer.truncate`."""
        self._lines.keep(lambda line: 0 <= _step_of_json(line) <= step)

    def flush(self) -> None:
        """See `Writer.flush`."""
        self._lines.flush()

    def close(self) -> None:
        """See `Writer.close`."""
        self._lines.close()


def last_step(path: str | os.PathLike[str]) -> int:
    """Returns the last step in a file of `JsonlWriter`; 0 where there is none."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return 0
    return max((_step_of_json(line) for line in lines), default=0)


def _step_of_json(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return -1


class LossCsvWriter(Writer):
    """Writes `loss.csv`: `step,train_loss,holdout_loss`, the losses of the first datasets, empty where there was none.

    Args:
        path: The file.
    """

    columns = {"train/loss": "train_loss", "holdout/loss": "holdout_loss"}

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._lines = LineFile(path, ",".join(["step", *self.columns.values()]))
        self._step = 0
        self._row: dict[str, float] = {}

    def scalar(self, name: str, value: float, step: int) -> None:
        """See `Writer.scalar`. A row is written when its step is over."""
        if name not in self.columns:
            return
        if step != self._step:
            self._write_row()
        self._step = step
        self._row[name] = float(value)

    def truncate(self, step: int) -> None:
        """See `Writer.truncate`."""
        self._row = {}
        self._lines.keep(lambda line: line.count(",") == len(self.columns) and 0 <= _step_of_csv(line) <= step)

    def flush(self) -> None:
        """See `Writer.flush`."""
        self._write_row()
        self._lines.flush()

    def close(self) -> None:
        """See `Writer.close`."""
        self._write_row()
        self._lines.close()

    def _write_row(self) -> None:
        if self._row:
            values = [repr(self._row[name]) if name in self._row else "" for name in self.columns]
            self._lines.append(",".join([str(self._step), *values]))
            self._row = {}


def _step_of_csv(line: str) -> int:
    try:
        return int(line.partition(",")[0])
    except ValueError:
        return -1
