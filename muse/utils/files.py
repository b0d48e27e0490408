"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO]:
    """Opens a temporary file beside `path` that takes its place when the block ends without an error.

    The file is synced before the rename and the folder after it, so a crash leaves the old file or the new one.
    The folder is made when missing. Where `path` is a link, the file that it leads to is replaced, and the link stays.
    """
    target = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        encoding = None if "b" in mode else "utf-8"
        with os.fdopen(handle, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        publish(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        say_where(error, target)
        raise


def overlap(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> str:
    """Returns in words why what is read at one path cannot be written to the other; empty where they are apart."""
    read, written = Path(os.path.realpath(source)), Path(os.path.realpath(target))
    if read == written:
        return "source and destination at once"
    if read in written.parents:
        return f"inside of the source {source}"
    return f"holds the source {source}, which would be replaced with it" if written in read.parents else ""


def say_where(error: BaseException, path: str | os.PathLike[str]) -> None:
    """Gives an error of the system the path that was being written, where it names none: a full disk."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        error.filename = os.fspath(path)


def publish(temporary: Path, target: Path) -> None:
    """Gives a file of `tempfile`, written and synced, its name for good, with the permissions of any other new file."""
    umask = os.umask(0)
    os.umask(umask)
    temporary.chmod(0o666 & ~umask)
    os.replace(temporary, target)
    sync_folder(target.parent)


def format_bytes(count: int) -> str:
    """Returns a number of bytes for people."""
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{count} B" if unit == "B" else f"{size:.3g} {unit}"


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Makes renames inside `folder` durable, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_tree(folder: str | os.PathLike[str], since: float = 0.0) -> None:
    """Puts on the disk what is below a folder, if it has changed since a time [s since 1970]."""
    for root, _, files in os.walk(folder):
        # The clocks of file systems are coarse.
        changed = [path for path in (os.path.join(root, file) for file in files) if os.stat(path).st_mtime >= since - 2]
        for path in changed:
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        if changed or not since:
            sync_folder(root)


def put_folder(temporary: Path, target: Path) -> None:
    """Gives a folder its name for good, in the place of another of that name; in one step where the system can.

    What is in it must be synced. `temporary` lies in the same file system; it holds the old folder afterwards, or is gone.
    """
    if not target.exists():
        os.rename(temporary, target)
    elif not _exchange(temporary, target):
        shutil.rmtree(_backup(target), ignore_errors=True)
        os.rename(target, _backup(target))
        os.rename(temporary, target)
        shutil.rmtree(_backup(target), ignore_errors=True)
    sync_folder(target.parent)


@contextlib.contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """Yields an empty folder beside `target`, with the permissions of any other new one; what is there at the end is deleted."""
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp"))
    try:
        umask = os.umask(0)
        os.umask(umask)
        folder.chmod(0o777 & ~umask)
        yield folder
    except OSError as error:
        say_where(error, target)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def restore_folder(target: Path) -> None:
    """Takes back the old folder where a crash came between the two renames of `put_folder`."""
    if not target.exists() and _backup(target).is_dir():
        os.rename(_backup(target), target)


def _backup(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _exchange(first: Path, second: Path) -> bool:
    """Exchanges two paths in one step; returns false where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE: man 2 rename
    return rename is not None and rename(here, os.fsencode(first), here, os.fsencode(second), exchange) == 0


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raises `OSError` where no file could be made at `path`, nor the folders that lead to it. Makes nothing itself."""
    folder = Path(path).absolute().parent
    while not folder.exists():
        folder = folder.parent
    with tempfile.TemporaryFile(dir=folder):
        pass
