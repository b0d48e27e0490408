"""Targets, files and folders of files: built in a conversion's work, and put in their place when they are whole."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from muse.datasets.dataset import DataError
from muse.datasets.formats.work import Work
from muse.utils.files import publish, put_folder, sync_tree, temporary_folder


@contextlib.contextmanager
def build_folder(path: str | os.PathLike[str], work: Work) -> Iterator[Path]:
    """Gives a folder to write into, with what an earlier program wrote there; it becomes `path` when the block ends without an error.

    Raises:
        DataError: For a path that is taken by a file.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise DataError(str(path), "a file", "a folder, or nothing yet")
    with scratch_folder(target, work) as folder:
        yield folder
        sync_tree(folder)
        put_folder(folder, target)


@contextlib.contextmanager
def build_file(path: str | os.PathLike[str], work: Work) -> Iterator[Path]:
    """Gives a path to write a file to; it becomes `path` when the block ends without an error. What a killed program leaves is in `work`.

    Raises:
        DataError: For a path that is taken by a folder.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise DataError(str(path), "a folder", "a file, or nothing yet")
    target.parent.mkdir(parents=True, exist_ok=True)
    if work.folder is not None:
        temporary = work.part(f"whole{target.suffix}")
    else:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=f".tmp{target.suffix}")
        os.close(handle)
        temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        publish(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def scratch_folder(target: Path, work: Work) -> Iterator[Path]:
    """Gives a folder to write into, as `build_folder`, that stays where it is: in `work`, or beside the target and only for this block."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if work.folder is not None:
        folder = work.part("target")
        if work.done and not folder.is_dir():
            work.forget()
        folder.mkdir(exist_ok=True)
        yield folder
        return
    with temporary_folder(target) as folder:
        yield folder
