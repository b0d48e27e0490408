"""The native file: an `.npz` archive with one array per name and the meta data as a JSON string under `_meta`.

Written whole or not at all. Read without pickle; what an archive claims is checked before memory is taken for it.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import VERSION, EpisodeData, split_names
from muse.utils.files import atomic_write

META = "_meta"
_EXPECTED = "a .npz file of named arrays"
_MAX_META_BYTES = 64 * 2**20


def write(path: str | os.PathLike[str], data: EpisodeData, compress: bool = True) -> None:
    """Writes episodes; a crash leaves the old file or the new one.

    Raises:
        DataError: For an array that could only be written by pickling it.
    """
    arrays = {**data.steps, "done": data.done(), "rollout_timestep": data.rollout_timestep(), **data.onetime}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise DataError(f"{path}: '{name}'", f"dtype {array.dtype}", "a type of fixed size")
    meta = np.array(json.dumps({**data.meta, "version": VERSION}))
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED, compresslevel=1) as archive:
        for name, array in {META: meta, **arrays}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array) if array.ndim else array, allow_pickle=False)


def read(path: str | os.PathLike[str], ignore_prefixes: tuple[str, ...] = ()) -> EpisodeData:
    """Reads episodes.

    Args:
        ignore_prefixes: Names that begin with one of these are not read.

    Raises:
        DataError: For a file that is missing, cut short, no archive, larger than the memory, holds pickled objects, or whose
            arrays do not fit one another. Nothing in the file is run.
    """
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if not info.is_dir()}
            chosen = {name: info for name, info in members.items() if not name.startswith(ignore_prefixes or "\0")}
            _check_memory(chosen, where)
            arrays = {name: _read_member(archive, info, f"{where}: '{name}'") for name, info in chosen.items()}
    except FileNotFoundError as error:
        raise DataError(where, "no such file", _EXPECTED, "the path is relative to the working folder") from error
    except IsADirectoryError as error:
        raise DataError(where, "a folder", _EXPECTED) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise DataError(where, f"cut short or no archive ({error})", _EXPECTED, "copy or collect it again") from error
    meta = _parse_meta(arrays.pop(META, None), where)
    return split_names(arrays, meta, where)


def _check_memory(members: Mapping[str, zipfile.ZipInfo], where: str) -> None:
    needed = sum(info.file_size for info in members.values())
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        raise DataError(where, f"{needed / 2**30:.1f} GiB when unpacked", f"at most the {there / 2**30:.1f} GiB of memory here", "the memory-mapped .muse folder form")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> np.ndarray:
    with archive.open(info) as member:
        try:
            shape, fortran, dtype = _read_header(member)
        except (ValueError, SyntaxError, TypeError, UnicodeDecodeError, MemoryError, RecursionError) as error:
            raise DataError(where, f"no readable header ({error})", "an array in numpy's format") from error
        if dtype.hasobject:
            raise DataError(where, "pickled objects; refused, nothing was run", "an array of numbers or fixed-size text")
        if any(not isinstance(n, int) or n < 0 for n in shape):
            raise DataError(where, f"shape {shape}", "sizes of 0 or more")
        count = 1
        for size in shape:
            count *= size
        wanted = count * dtype.itemsize
        if wanted != info.file_size - member.tell():
            raise DataError(where, f"{info.file_size - member.tell()} bytes", f"{wanted} for shape {shape} {dtype}", "copy or collect it again")
        flat = np.frombuffer(bytearray(_read_exactly(member, wanted, where)), dtype=dtype) if wanted else np.empty(count, dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    if version in ((2, 0), (3, 0)):
        return np.lib.format.read_array_header_2_0(member)
    raise ValueError(f"version {version}")


def _read_exactly(member: IO[bytes], count: int, where: str) -> bytes:
    content = member.read(count)
    # The archive checks its sum only when a member is read to its end.
    if len(content) != count or member.read(1):
        raise DataError(where, f"{len(content)} bytes", str(count), "copy or collect it again")
    return content


def _parse_meta(array: np.ndarray | None, where: str) -> dict[str, Any]:
    if array is None:
        return {}
    label = f"{where}: '{META}'"
    if array.ndim or array.dtype.kind != "U" or array.nbytes > _MAX_META_BYTES:
        raise DataError(label, f"shape {array.shape} {array.dtype}", "one JSON string")
    return parse_meta(str(array), label)


def parse_meta(text: str, where: str) -> dict[str, Any]:
    """Reads the meta data's JSON.

    Raises:
        DataError: When it is no JSON object or of a newer version.
    """
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(where, f"no JSON ({error})", "a JSON object") from error
    if not isinstance(meta, dict):
        raise DataError(where, f"a {type(meta).__name__}", "a JSON object")
    if meta.get("version", VERSION) != VERSION:
        raise DataError(where, f"version {meta['version']!r}", f"version {VERSION}", "the version of Muse that wrote it")
    return meta


