"""The one place where the tools open a dataset."""

from __future__ import annotations

import os

from muse.datasets.dataset import OnError, raise_error
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.loading import read_file, read_raw


def open_data(path: str | os.PathLike[str], finite: bool = True, on_error: OnError | None = None) -> EpisodeData:
    """Opens a dataset; arrays of a `.muse` folder are mapped, not copied.

    Args:
        path: An `.npz` file or a `.muse` folder.
        finite: Refuse step names that hold NaN or infinity.
        on_error: For a check, which goes on after what is wrong; see `muse.datasets.loading.read_raw`.

    Raises:
        DataError: For whatever is wrong in it.
    """
    if finite and on_error is None:
        return read_file(path)
    return read_raw(path, on_error=on_error or raise_error)
