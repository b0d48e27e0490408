"""HDF5 files through h5py: errors in sentences, attributes as values that JSON holds."""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import lzma
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.building import build_file
from muse.datasets.formats.format import Tell
from muse.datasets.formats.work import FULL, Work
from muse.utils.errors import brief
from muse.utils.optional import require

#: Kinds of numpy types that come and go unchanged: numbers, bool, text of a fixed number of bytes.
STORABLE_KINDS = "fiubS"
_MAX_UNPACKED_BYTES = 2**30
_MAX_DEPTH = 16
_AGAIN = "copy or download it again"


def open_file(path: str | os.PathLike[str], wanted_by: str) -> Any:
    """Opens a file for reading.

    Args:
        wanted_by: What needs h5py, for the message.

    Raises:
        DataError: For a file that is missing, cut short, or no HDF5.
        MissingExtraError: Without h5py.
    """
    h5py = require("h5py", "hdf5", wanted_by)
    expected = "an HDF5 file"
    if Path(path).is_dir():
        raise DataError(str(path), "a folder", expected)
    if not Path(path).exists():
        raise DataError(str(path), "no such file", expected, "the path is relative to the working folder")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        text = str(error)
        got = "cut short" if "truncated" in text else "no HDF5 file" if "signature" in text else "cannot be opened"
        raise DataError(str(path), f"{got} ({brief(error)})", expected, _AGAIN) from error


@contextlib.contextmanager
def reading(where: str) -> Iterator[None]:
    """Tells what h5py makes of a file that is broken inside.

    Raises:
        DataError: In place of what h5py raises.
    """
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise DataError(where, f"cannot be read ({brief(error)})", "a whole HDF5 file", _AGAIN) from error


def type_of(item: Any) -> np.dtype:
    """Returns the type of a dataset's elements, without h5py's notes in it: numpy warns of those when it saves an array."""
    return item.dtype if item.dtype.hasobject else np.dtype(item.dtype.str)


def storable(values: np.ndarray) -> np.ndarray:
    """Returns values as HDF5 holds them: text in UTF-8, of a length that is the same for every text of that type."""
    if values.dtype.kind != "U":
        return values
    dtype = np.dtype(f"S{values.dtype.itemsize}")
    return np.char.encode(values, "utf-8").astype(dtype) if values.size else np.empty(values.shape, dtype)


def restored(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Reverses `storable`, for an array that is to have a type."""
    if dtype.kind != "U":
        return values
    return np.char.decode(values, "utf-8") if values.size else np.empty(values.shape, dtype)


def datasets_below(group: Any, where: str = "") -> tuple[dict[str, Any], list[str]]:
    """Looks through a group.

    Args:
        where: Begins the names of what is not taken.

    Returns:
        The datasets below by path; and the names of what is not taken: links, which may lead out of the file, and attributes.
    """
    h5py = require("h5py", "hdf5", "HDF5 files")
    found: dict[str, Any] = {}
    odd: list[str] = []

    def visit(item: Any, path: str, depth: int) -> None:
        odd.extend(f"{where}{path}@{name}" for name in item.attrs if depth)
        if isinstance(item, h5py.Dataset):
            found[path] = item
        elif depth > _MAX_DEPTH:
            raise ValueError(f"groups inside {_MAX_DEPTH} groups")
        elif isinstance(item, h5py.Group):
            for name in item:
                below = f"{path}/{name}" if path else name
                if isinstance(item.get(name, getlink=True), h5py.HardLink):
                    visit(item[name], below, depth + 1)
                else:
                    odd.append(where + below)

    visit(group, "", 0)
    return found, odd


def read_attributes(item: Any) -> tuple[dict[str, Any], list[str]]:
    """Returns the attributes of a group as plain values, and the names of those that no plain value stands for."""
    plain, odd = {}, []
    for name in item.attrs:
        value = _to_plain(item.attrs[name])
        if value is None:
            odd.append(name)
        else:
            plain[name] = value
    return plain, odd


def write_attributes(item: Any, plain: Mapping[str, Any]) -> None:
    """Writes what `read_attributes` returned, type and all."""
    for name, value in plain.items():
        item.attrs[name] = _from_plain(value)


def _to_plain(value: Any) -> Any:
    """Returns text as it is, and numbers and arrays as their type, shape and values; None for anything else."""
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.dtype.kind == "O" and array.size and all(isinstance(item, str) for item in array.flat):
        return {"dtype": "text", "shape": list(array.shape), "values": array.ravel().tolist()}
    if array.dtype.kind not in STORABLE_KINDS:
        return None
    values = array.ravel().tolist()
    if array.dtype.kind == "S":
        values = [item.decode("latin-1") for item in values]
    return {"dtype": array.dtype.str, "shape": list(array.shape), "values": values}


def _from_plain(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if value["dtype"] == "text":
        return np.array(value["values"], dtype=object).reshape(value["shape"])
    dtype = np.dtype(value["dtype"])
    values = [item.encode("latin-1") for item in value["values"]] if dtype.kind == "S" else value["values"]
    return np.array(values, dtype).reshape(value["shape"])[()]


def write_groups(
    path: str | os.PathLike[str],
    groups: Sequence[str],
    fill: Callable[[Any, int], None],
    finish: Callable[[Any], None],
    work: Work,
    progress: Tell,
) -> None:
    """Writes a file with a group for each episode; a crash leaves the old file or the new one.

    HDF5 rewrites its tables in place, so that a file that a killed program was writing may be lost. Each episode lies in a file of
    its own until all are there, therefore; they are copied together then.

    Args:
        groups: Paths of the groups.
        fill: Writes episode number `i` into its group.
        finish: Writes whatever else belongs into the file.
        work: Where the files of the episodes lie; in memory, there are none.
        progress: Is told of every episode.
    """
    h5py = require("h5py", "hdf5", "HDF5 files")
    parts = [] if work.folder is None else [work.part(f"{number}.hdf5") for number in range(len(groups))]
    if not all(part.exists() for part in parts[: work.done]):
        work.forget()
    for number in range(work.done, len(parts)):
        # In memory first: HDF5 that cannot close a file, for the disk is full, ends the program later by a signal.
        with h5py.File(parts[number].name, "w", driver="core", backing_store=False) as part:
            fill(part.create_group("episode"), number)
            part.flush()
            image = part.id.get_file_image()
        with open(parts[number], "wb") as opened:
            opened.write(image)
        work.commit(number + 1)
        progress(number + 1, len(groups))
    with build_file(path, work) as whole, _writing(whole), h5py.File(whole, "w") as file:
        if shutil.disk_usage(whole.parent).free < sum(part.stat().st_size for part in parts):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        for number, group in enumerate(groups):
            if parts:
                with h5py.File(parts[number], "r") as part:
                    part.copy("episode", file, group)
            else:
                fill(file.create_group(group), number)
                progress(number + 1, len(groups))
        finish(file)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tells what h5py makes of a full disk, which it may find out when it closes the file, as an error of the system in one line."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.filename:
            raise
        full = next((number for number in FULL if os.strerror(number) in str(error)), None)
        raise OSError(full or errno.EIO, os.strerror(full) if full else brief(error), str(path)) from error


def pack(values: Any) -> str:
    """Returns plain values as compressed text: hundreds of nearly equal MJCF files take little more room than one."""
    return base64.b64encode(lzma.compress(json.dumps(values).encode(), preset=1)).decode()


def unpack(text: str, where: str) -> Any:
    """Reverses `pack`.

    Raises:
        DataError: For text that is no such thing, or claims more than 1 GiB.
    """
    try:
        decoder = lzma.LZMADecompressor()
        content = decoder.decompress(base64.b64decode(text, validate=True), _MAX_UNPACKED_BYTES)
        if not decoder.eof:
            raise ValueError("cut short, or too large")
        return json.loads(content)
    except (ValueError, TypeError, lzma.LZMAError, RecursionError) as error:
        raise DataError(where, f"cannot be unpacked ({brief(error)})", "what Muse packed", "convert the file again") from error
