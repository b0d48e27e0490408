"""The one place where the tools open a dataset."""

from __future__ import annotations

import os

from muse.datasets.dataset import DataError, OnError, raise_error
from muse.datasets.formats import registry
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.native import NativeFormat
from muse.datasets.formats.registry import find_format
from muse.datasets.loading import read_file, read_raw


def open_data(path: str | os.PathLike[str], finite: bool = True, on_error: OnError | None = None) -> EpisodeData:
    """Opens a dataset of any form that Muse reads; arrays of a `.muse` folder are mapped, not copied.

    Args:
        path: The file or folder. One of another project raises the first thing that is wrong with its layout, whatever `on_error` is.
        finite: Refuse step names that hold NaN or infinity.
        on_error: For a check, which goes on after what is wrong, NaN and infinity too; see `muse.datasets.loading.read_raw`.

    Raises:
        DataError: For whatever is wrong in it.
    """
    if not issubclass(find_format(path, is_source=True), NativeFormat):
        data = registry.open_data(path, finite=finite and on_error is None)
    elif finite and on_error is None:
        data = read_file(path)
    else:
        data = read_raw(path, on_error=on_error or raise_error)
    _check_blocks(data, on_error or raise_error)
    return data


def _check_blocks(data: EpisodeData, on_error: OnError) -> None:
    """Finds what the meta data has where the tools look for a mapping, and which is none."""
    fingerprint = data.meta.get("fingerprint")
    blocks = {"fingerprint": fingerprint, "collection": data.meta.get("collection")}
    if isinstance(fingerprint, dict):
        blocks.update((f"fingerprint/{key}", fingerprint.get(key)) for key in ("params", "versions", "simulators"))
    for key, block in blocks.items():
        if not isinstance(block, (dict, type(None))):
            on_error(DataError(f"{data.where}: _meta: '{key}'", f"a {type(block).__name__}", "a JSON object"))
