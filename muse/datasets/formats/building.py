"""A target that is a folder of files: built in a conversion's work, and put in its place when it is whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from muse.datasets.dataset import DataError
from muse.datasets.formats.work import Work
from muse.utils.files import put_folder, sync_tree


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
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp"))
    umask = os.umask(0)
    os.umask(umask)
    folder.chmod(0o777 & ~umask)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
