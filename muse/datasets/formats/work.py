"""Where a conversion keeps what it has done, so that one that was killed goes on instead of beginning anew."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.utils.errors import MuseError
from muse.utils.files import atomic_write

_STATE = "state.json"


class Work:
    """Arrays and parts of a conversion: in a folder beside its target, or in memory.

        with Work.beside(target, {"source": identify(source), "options": options}) as work:
            array = work.allocate("action", (rows, 7), np.float32)
            for number in range(work.done, episodes):
                array[begins[number] : ends[number]] = ...
                work.commit(number + 1)

    An interrupted program leaves the folder `.<target>.work`, and the next one goes on in it if it is made from the same things. The
    folder is deleted when the block ends, and when it ends with a `MuseError`: what is wrong then will be mended first.

    Args:
        folder: Where to work; in memory when None, and nothing is kept then.

    Attributes:
        done: Episodes that are finished.
        folder: The folder, None in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder, self.done = folder, 0
        self._made_from = ""
        self._arrays: dict[str, np.ndarray] = {}
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
        work._made_from = json.dumps(made_from, sort_keys=True, default=str)
        state = work._read_state()
        if state.get("made_from") != work._made_from:
            work._empty()
        else:
            work.done = state["done"]
        return work

    def __enter__(self) -> Work:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self._arrays = {}
        if self.folder is not None and (kind is None or issubclass(kind, MuseError)):
            shutil.rmtree(self.folder, ignore_errors=True)
        self._drop_lock()

    def allocate(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Returns an array to fill, with the rows of finished episodes in it; mapped from a file, or in memory."""
        if self.folder is None or 0 in shape:
            array = np.zeros(shape, dtype)
        else:
            array = self._map(self.folder / "arrays" / f"{name.encode().hex()[:200]}.npy", shape, np.dtype(dtype))
        self._arrays[name] = array
        return array

    def commit(self, done: int) -> None:
        """The first `done` episodes are finished: their rows of all arrays and their parts are kept from now on."""
        for array in self._arrays.values():
            if isinstance(array, np.memmap):
                array.flush()
        self.done = done
        if self.folder is not None:
            with atomic_write(self.folder / _STATE, "w") as file:
                json.dump({"made_from": self._made_from, "done": done}, file)

    def restart(self) -> None:
        """Forgets how many episodes are finished, for a second pass (from reading to writing); files stay."""
        self.commit(0)

    def part(self, name: str) -> Path:
        """Returns a path in the folder for a part, its parent made. Write it whole or not at all (`atomic_write`).

        Raises:
            DataError: In memory.
        """
        if self.folder is None:
            raise DataError("Work.part", "work in memory", "a folder to put parts into", "Work.beside(target, ...)")
        path = self.folder / "parts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _map(self, file: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if self.done and file.exists():
            with contextlib.suppress(ValueError, OSError):
                there = np.lib.format.open_memmap(file, "r+")
                if there.shape == shape and there.dtype == dtype:
                    return there
        if self.done:
            # A finished episode without its rows: nothing here can be relied on.
            self.done = 0
        file.parent.mkdir(parents=True, exist_ok=True)
        return np.lib.format.open_memmap(file, "w+", dtype, shape)

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


def identify(path: str | os.PathLike[str]) -> list[list[Any]]:
    """Returns what tells a file, or the files of a folder, from others of the same name: paths, sizes and times of change."""
    root = Path(path)
    files = sorted(file for file in root.rglob("*") if file.is_file()) if root.is_dir() else [root]
    return [[str(file), status.st_size, status.st_mtime_ns] for file in files if (status := file.stat())]
