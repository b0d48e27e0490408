"""Where a conversion keeps what it has done, so that one that was killed goes on instead of beginning anew."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.npz import physical_memory
from muse.utils.errors import MuseError
from muse.utils.files import atomic_write, format_bytes, sync_tree

_STATE = "state.json"
#: What the system says of a disk without room, and of a file that may not grow.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Work:
    """Arrays and parts of a conversion: in a folder beside its target, or in memory.

        with Work.beside(target, {"source": identify(source), "options": options}) as work:
            reading = work.stage("read")
            array = reading.allocate("action", (rows, 7), np.float32)
            for number in range(reading.done, episodes):
                array[begins[number] : ends[number]] = ...
                reading.commit(number + 1)

    An interrupted program leaves the folder `.<target>.work`, and the next one goes on in it if it is made from the same things. The
    folder is deleted when the block ends, and when it ends with a `MuseError`: what is wrong then will be mended first.

    What is committed is put on the disk about once a second, so that a machine that loses its power loses little more.

    Args:
        folder: Where to work; in memory when None, and nothing is kept then.

    Attributes:
        done: Episodes that are finished.
        folder: The folder, None in memory.
    """

    #: What is committed is put on the disk this often [s]; less often where that takes long; every time when 0.
    sync_seconds = 1.0

    def __init__(self, folder: Path | None = None) -> None:
        self.folder, self.done = folder, 0
        self._saved = 0
        self._due = self._began = 0.0
        self._made_from = ""
        self._is_kept = folder is not None
        self._arrays: dict[str, np.ndarray] = {}
        self._stages: dict[str, Work] = {}
        self._lock: int | None = None

    @classmethod
    def beside(cls, target: str | os.PathLike[str], made_from: Mapping[str, Any]) -> Work:
        """Returns the work for `target`, with what is done already if an earlier one was made from the same things.

        Args:
            made_from: All that decides what is written, as plain values: the source (`identify`), options, names.

        Raises:
            DataError: While another program works on the same target.
        """
        path = Path(os.path.realpath(target))
        folder = path.with_name(f".{path.name}.work")
        folder.mkdir(parents=True, exist_ok=True)
        work = cls(folder)
        work._take_lock(path)
        work._made_from = hashlib.sha256(json.dumps(made_from, sort_keys=True, default=str).encode()).hexdigest()
        if work._read_state().get("made_from") != work._made_from:
            work._empty()
            work._write_state()
        work._resume()
        return work

    @classmethod
    def at(cls, folder: Path, sync_seconds: float | None) -> Work:
        """Returns the work in a folder that another process holds and waits with; with `sync_seconds` None it will not be kept."""
        work = cls(folder)
        work._is_kept = sync_seconds is not None
        work.sync_seconds = sync_seconds or 0.0
        work._made_from = work._read_state().get("made_from", "")
        work._resume()
        return work

    def stage(self, name: str) -> Work:
        """Returns a work of its own inside this one, such as that of reading and that of writing; kept and deleted with it."""
        for stage in self._stages.values():
            stage.save()
        if name not in self._stages:
            stage = self._stages[name] = Work(None if self.folder is None else self.folder / name)
            if stage.folder is not None:
                stage.folder.mkdir(exist_ok=True)
                stage._resume()
        return self._stages[name]

    def __enter__(self) -> Work:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        is_over = kind is None or issubclass(kind, MuseError)
        if self.folder is not None and not is_over:
            # Whatever ended the program here, a full disk perhaps, is the error to tell.
            with contextlib.suppress(OSError):
                for work in (*self._stages.values(), self):
                    work.save()
        self._arrays, self._stages = {}, {}
        if self.folder is not None and is_over:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._drop_lock()

    def check_room(self, num_bytes: int, where: str) -> None:
        """Checks that arrays of so many bytes find room, before it is taken.

        Raises:
            DataError: When they do not.
        """
        if self.folder is None:
            there, place, hint = (
                physical_memory(),
                "of memory here",
                "muse convert to a .muse folder, which is read from the disk",
            )
        else:
            # What an interrupted program has taken already is needed no second time.
            taken = sum(file.stat().st_blocks * 512 for file in self.folder.glob("arrays/*.npy"))
            there, place, hint = shutil.disk_usage(self.folder).free + taken, f"free at {self.folder.parent}", "another disk"
        if num_bytes > there:
            got, expected = f"{format_bytes(num_bytes)} of arrays", f"at most the {format_bytes(there)} {place}"
            raise DataError(where, got, expected, hint)

    def allocate(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Returns an array to fill, with the rows of finished episodes in it; mapped from a file, or in memory.

        `done` may fall to 0 by it, where finished rows are lost: look at it when all arrays are there.
        """
        if self.folder is None or 0 in shape:
            array = np.zeros(shape, dtype)
        else:
            file = self.folder / "arrays" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.npy"
            array = self._map(file, shape, np.dtype(dtype))
        self._arrays[name] = array
        return array

    def part(self, name: str) -> Path:
        """Returns a path in the folder for a part: a file, or a folder of files. Its parent is made.

        A part counts once its episode is committed; one that an interrupted program left unfinished is to be written over.

        Raises:
            DataError: In memory.
        """
        if self.folder is None:
            raise DataError("Work.part", "work in memory", "a folder to put parts into", "Work.beside(target, ...)")
        path = self.folder / "parts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def commit(self, done: int) -> None:
        """The first `done` episodes are finished: their rows of all arrays and their parts are kept from now on."""
        self.done = done
        if self.folder is not None and time.monotonic() >= self._due:
            self.save()

    def save(self) -> None:
        """Puts on the disk what is committed. `commit` does it in time, and so does the end of the block."""
        if self.folder is None or not self._is_kept or self._saved == self.done:
            return
        began, wall = time.monotonic(), time.time()
        for array in self._arrays.values():
            if isinstance(array, np.memmap):
                array.flush()
        sync_tree(self.folder / "parts", self._began)
        self._write_state()
        self._saved, self._began = self.done, wall
        # Slow disks are not asked for more than a tenth of the time.
        now = time.monotonic()
        self._due = now + max(self.sync_seconds, 9 * (now - began)) if self.sync_seconds else now

    def forget(self) -> None:
        """Nothing is finished: what was found here lacks rows or parts that it should have, and cannot be relied on."""
        self.done = 0
        if self.folder is not None and self._saved:
            self._saved = 0
            self._write_state()

    def _map(self, file: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if self.done and file.exists():
            with contextlib.suppress(ValueError, OSError):
                there = np.lib.format.open_memmap(file, "r+")
                if there.shape == shape and there.dtype == dtype:
                    return there
        self.forget()
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            array = np.lib.format.open_memmap(file, "w+", dtype, shape)
            _take_room(file)
        except OSError as error:
            if error.errno not in FULL:
                raise
            got = f"{format_bytes(math.prod(shape) * dtype.itemsize)} for an array ({error.strerror})"
            raise DataError(str(file.parent), got, "room on the disk", "another disk") from error
        return array

    def _resume(self) -> None:
        self.done = self._saved = self._read_state().get("done", 0)
        self._began = time.time()

    def _write_state(self) -> None:
        assert self.folder is not None
        with atomic_write(self.folder / _STATE, "w") as file:
            json.dump({"made_from": self._made_from, "done": self.done}, file)

    def _read_state(self) -> dict[str, Any]:
        assert self.folder is not None
        with contextlib.suppress(OSError, ValueError):
            state = json.loads((self.folder / _STATE).read_text())
            if isinstance(state, dict) and isinstance(state.get("done"), int):
                return state
        return {}

    def _empty(self) -> None:
        assert self.folder is not None
        for path in self.folder.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _take_lock(self, target: Path) -> None:
        try:
            import fcntl
        except ImportError:
            return
        assert self.folder is not None
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._drop_lock()
            raise DataError(str(target), "another program is converting to it", "one at a time") from error

    def _drop_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _take_room(file: Path) -> None:
    """Has the disk set aside what a file claims: one that gets full while a mapped file is filled ends the program without a word."""
    if hasattr(os, "posix_fallocate"):
        with open(file, "r+b") as opened:
            try:
                os.posix_fallocate(opened.fileno(), 0, os.fstat(opened.fileno()).st_size)
            except OSError as error:
                # Some file systems cannot.
                if error.errno in FULL:
                    raise


def identify(path: str | os.PathLike[str]) -> list[list[Any]]:
    """Returns what tells a file, or the files of a folder, from others of the same name: paths, sizes and times of change."""
    root = Path(path)
    files = sorted(file for file in root.rglob("*") if file.is_file()) if root.is_dir() else [root]
    return [[str(file), status.st_size, status.st_mtime_ns] for file in files if (status := file.stat())]
