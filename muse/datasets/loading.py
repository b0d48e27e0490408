"""From files to checked episodes: which names a dataset holds, and that their arrays fit the spec."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats import npz
from muse.datasets.formats.episode_data import EpisodeData
from muse.specs import EnvSpec, Leaf
from muse.utils.errors import nearest

#: Rows that are checked for NaN and infinity at a time.
_CHECK_ROWS = 1 << 16


def read_files(files: Sequence[str], ignore_prefixes: tuple[str, ...] = ()) -> list[EpisodeData]:
    """Reads each of `files` in its own format."""
    return [read_file(path, ignore_prefixes) for path in files]


def read_file(path: str | os.PathLike[str], ignore_prefixes: tuple[str, ...] = ()) -> EpisodeData:
    """Reads an `.npz` file or a `.muse` folder.

    Raises:
        DataError: For another spelling, and for whatever is wrong inside.
    """
    suffix = Path(path).suffix
    if suffix == ".npz":
        return npz.read(path, ignore_prefixes)
    if suffix == ".muse":
        from muse.datasets.formats import folder

        return folder.read(path, ignore_prefixes)
    raise DataError(str(path), f"a name that ends in '{suffix}'", "a .npz file or a .muse folder")


def write_file(path: str | os.PathLike[str], data: EpisodeData) -> None:
    """Writes an `.npz` file or a `.muse` folder.

    Raises:
        DataError: For another spelling.
    """
    suffix = Path(path).suffix
    if suffix == ".npz":
        npz.write(path, data)
    elif suffix == ".muse":
        from muse.datasets.formats import folder

        folder.write(path, data)
    else:
        raise DataError(str(path), f"a name that ends in '{suffix}'", "a .npz file or a .muse folder")


def check_data(data: EpisodeData, spec: EnvSpec, step_names: Iterable[str], onetime_names: Iterable[str]) -> EpisodeData:
    """Returns `data` reduced to the names asked for, in the spec's types.

    Raises:
        DataError: For a name that is missing, a wrong shape or type, NaN or infinity; names the file, the name and the row.
    """
    steps = {name: _check_array(data.steps, name, spec.leaf(name), data.where) for name in step_names}
    onetime = {name: _check_array(data.onetime, name, spec.leaf(name), data.where) for name in onetime_names}
    listed = [leaf["name"] for leaf in data.meta.get("spec", {}).get("leaves", ())]
    for name in listed:
        if name not in data.steps and name not in data.onetime:
            raise DataError(f"{data.where}: '{name}'", "missing", "an array of that name: the file's own spec lists it", "copy or collect it again")
    return EpisodeData(steps, onetime, data.ends, data.meta, data.where)


def _check_array(arrays: Mapping[str, np.ndarray], name: str, leaf: Leaf, where: str) -> np.ndarray:
    label = f"{where}: '{name}'"
    if name not in arrays:
        raise DataError(label, f"missing{nearest(name, arrays)}", f"(N, {', '.join(map(str, leaf.shape))}) {leaf.dtype}", "names there: " + (", ".join(arrays) or "none"))
    array = arrays[name]
    if array.shape[1:] != leaf.shape:
        if array.shape[1:] == () and leaf.shape == (1,):
            array = array[:, None]
        else:
            raise DataError(label, f"shape {array.shape}", f"(N, {', '.join(map(str, leaf.shape))})")
    check_finite(array, label)
    return to_type(array, leaf.dtype, label)


def check_finite(array: np.ndarray, label: str) -> None:
    """Raises `DataError` for the first row of a float array that holds NaN or infinity. Reads a part at a time."""
    if array.dtype.kind not in "fc":
        return
    for begin in range(0, len(array), _CHECK_ROWS):
        part = array[begin : begin + _CHECK_ROWS]
        good = np.isfinite(part).reshape(len(part), -1).all(axis=1)
        if not good.all():
            raise DataError(label, f"NaN or infinity in row {begin + int(np.argmin(good))}", "finite numbers", "drop or mend the episode")


def to_type(array: np.ndarray, dtype: np.dtype, label: str) -> np.ndarray:
    """Returns `array` as `dtype` where that loses no meaning: the same kind, whole numbers that fit, or 0 and 1 for bool.

    Raises:
        DataError: Where it would.
    """
    if array.dtype == dtype:
        return array
    kinds = array.dtype.kind + dtype.kind
    if kinds in ("ff", "UU") or (array.dtype.kind in "iub" and dtype.kind in "iub" and _fits(array, dtype)):
        if kinds == "UU" and array.dtype.itemsize > dtype.itemsize:
            raise DataError(label, f"text of up to {array.dtype.itemsize // 4} letters", f"at most {dtype.itemsize // 4}")
        return array.astype(dtype)
    raise DataError(label, f"dtype {array.dtype}", str(dtype))


def _fits(array: np.ndarray, dtype: np.dtype) -> bool:
    if not array.size:
        return True
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return low <= int(array.min()) and int(array.max()) <= high
