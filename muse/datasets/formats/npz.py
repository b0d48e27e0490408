"""The native file: an `.npz` archive with one array per name and the meta data as a JSON string under `_meta`.

Written whole or not at all. Read without pickle; what an archive claims is checked before memory is taken for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import IO, Any

import numpy as np

from muse.datasets.dataset import DataError, OnError, raise_error
from muse.datasets.formats.episode_data import VERSION, EpisodeData, check_meta, split_names
from muse.datasets.formats.headers import Header, read_header
from muse.utils.errors import brief
from muse.utils.files import atomic_write, format_bytes

META = "_meta"
#: Names that no prefix hides: without them a file says nothing.
_ALWAYS = (META, "done", "ends")
_EXPECTED = "a .npz file of named arrays"
_MAX_META_BYTES = 64 * 2**20
_PART_BYTES = 2**20


def write(path: str | os.PathLike[str], data: EpisodeData) -> None:
    """Writes episodes; a crash leaves the old file or the new one.

    Raises:
        DataError: For an array that could only be written by pickling it, and for a name that means something else in the file.
    """
    for name in (META, "done", "rollout_timestep"):
        if name in data.steps or name in data.onetime:
            raise DataError(f"{path}: '{name}'", "an array of that name", "another name: that one says what the file holds")
    arrays = {**data.steps, "done": data.done(), "rollout_timestep": data.rollout_timestep(), **data.onetime}
    write_arrays(path, arrays, data.meta)


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Writes named arrays and the meta data.

    Raises:
        DataError: For an array that could only be written by pickling it.
    """
    text = np.array(json.dumps({**meta, "version": VERSION}))
    with atomic_write(path) as file:
        write_archive(file, {META: text, **arrays}, str(path))


def write_archive(file: IO[bytes], arrays: Mapping[str, np.ndarray], where: str) -> None:
    """Writes named arrays as numpy does.

    Raises:
        DataError: For an array that could only be written by pickling it.
    """
    for name, array in arrays.items():
        check_storable(array, f"{where}: '{name}'")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array) if array.ndim else array, allow_pickle=False)


def write_meta(path: str | os.PathLike[str], meta: Mapping[str, Any]) -> None:
    """Replaces the meta data of a file; its arrays stay as they are. The archive is written anew, whole or not at all."""
    write_arrays(path, read_arrays(path)[0], meta)


def check_storable(array: np.ndarray, where: str) -> None:
    """Raises `DataError` for an array that only pickle could write, or whose elements have no bytes."""
    if array.dtype.hasobject or not array.dtype.itemsize:
        raise DataError(where, f"dtype {array.dtype}", "a type of fixed size")


def check_kind(array: np.ndarray, kinds: str, where: str, hint: str) -> None:
    """Raises `DataError` for an array of a kind that another project's files do not have, or not so that it can be read again."""
    if array.dtype.kind not in kinds:
        raise DataError(where, f"dtype {array.dtype}", "numbers, truths or text", hint)


def read(path: str | os.PathLike[str], ignore_prefixes: tuple[str, ...] = (), on_error: OnError = raise_error) -> EpisodeData:
    """Reads episodes.

    Args:
        ignore_prefixes: Names that begin with one of these are not read.
        on_error: Is given what is wrong in the file. When it returns, reading goes on without that; what leaves nothing to read is
            raised in any case.

    Raises:
        DataError: For a file that is missing, cut short, no archive, larger than the memory, holds pickled objects, or whose
            arrays do not fit one another. Nothing in the file is run.
    """
    arrays, meta = read_arrays(path, ignore_prefixes, on_error)
    return split_names(arrays, meta, str(path), on_error)


def read_arrays(
    path: str | os.PathLike[str],
    ignore_prefixes: tuple[str, ...] = (),
    on_error: OnError = raise_error,
    skip: Container[str] = (),
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Returns named arrays and the meta data.

    Args:
        ignore_prefixes: Names that begin with one of these are not read.
        on_error: As for `read`.
        skip: Names that are not read either.

    Raises:
        DataError: As `read`.
    """
    where = str(path)
    with _opened(path) as archive:
        chosen = _choose(archive.infolist(), ignore_prefixes, where, on_error)
        chosen = {name: info for name, info in chosen.items() if name not in skip}
        _check_memory(chosen.values(), where)
        arrays = dict(_read_members(archive, chosen, where, on_error))
    try:
        return arrays, _parse_meta(arrays.pop(META, None), where)
    except DataError as error:
        on_error(error)
        return arrays, {}


def read_headers(path: str | os.PathLike[str], skip: Container[str] = ()) -> dict[str, Header | None]:
    """Returns the header of each array but those of `skip`, for which it gives None.

    Raises:
        DataError: As `read`.
    """
    headers: dict[str, Header | None] = {}
    with _opened(path) as archive:
        for name, info in _choose(archive.infolist(), (), str(path), raise_error).items():
            headers[name] = None
            if name not in skip:
                with archive.open(info) as member:
                    headers[name] = read_header(member, f"{path}: '{name}'")
    return headers


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(where, "no such file", _EXPECTED, "the path is relative to the working folder") from error
    except IsADirectoryError as error:
        raise DataError(where, "a folder", _EXPECTED) from error
    except PermissionError as error:
        raise DataError(where, "may not be read", _EXPECTED, "its permissions") from error
    except Exception as error:  # A damaged archive makes zipfile and its decoders raise whatever they meet.
        raise DataError(where, f"cut short or no archive ({brief(error)})", _EXPECTED, "copy or collect it again") from error


def _read_members(
    archive: zipfile.ZipFile, chosen: Mapping[str, zipfile.ZipInfo], where: str, on_error: OnError
) -> Iterator[tuple[str, np.ndarray]]:
    for name, info in chosen.items():
        label = f"{where}: '{name}'"
        try:
            yield name, _read_member(archive, info, label)
        except DataError as error:
            on_error(error)
        except Exception as error:  # As in `read_arrays`, for one array of it.
            on_error(
                DataError(
                    label, f"cut short or damaged ({brief(error)})", "an array in numpy's format", "copy or collect it again"
                )
            )


def _choose(
    members: Iterable[zipfile.ZipInfo], ignore_prefixes: tuple[str, ...], where: str, on_error: OnError
) -> dict[str, zipfile.ZipInfo]:
    chosen: dict[str, zipfile.ZipInfo] = {}
    for info in members:
        name = info.filename.removesuffix(".npy")
        if info.is_dir() or (name.startswith(ignore_prefixes) and name not in _ALWAYS):
            continue
        if name in chosen:
            on_error(DataError(f"{where}: '{name}'", "twice in the archive", "each name once"))
            continue
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            got, expected = f"compressed by method {info.compress_type}", "stored or deflated, as numpy writes it"
            on_error(DataError(f"{where}: '{name}'", got, expected))
            continue
        chosen[name] = info
    return chosen


def _check_memory(members: Iterable[zipfile.ZipInfo], where: str) -> None:
    needed, there = sum(info.file_size for info in members), physical_memory()
    if needed > there:
        got, expected = f"{format_bytes(needed)} when unpacked", f"at most the {format_bytes(there)} of memory here"
        raise DataError(where, got, expected, "the memory-mapped .muse folder form")


def physical_memory() -> int:
    """Returns the bytes of memory of this machine; without bound where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2**62


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> np.ndarray:
    with archive.open(info) as member:
        header = read_header(member, where)
        there = info.file_size - header.size
        if header.num_bytes != there:
            raise DataError(
                where, f"{there} bytes", f"{header.num_bytes} for shape {header.shape} {header.dtype}", "copy or collect it again"
            )
        array = np.empty(header.shape, header.dtype, order="F" if header.fortran else "C")
        _fill(member, array, where)
    return array


def _fill(member: IO[bytes], array: np.ndarray, where: str) -> None:
    content = array.reshape(-1, order="A").view(np.uint8) if array.size else np.empty(0, np.uint8)
    filled = 0
    while filled < len(content):
        part = member.read(min(_PART_BYTES, len(content) - filled))
        if not part:
            break
        content[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
        filled += len(part)
    # The archive has checked its sum with the last byte.
    if filled != len(content):
        raise DataError(where, f"{filled} bytes", str(len(content)), "copy or collect it again")


def _parse_meta(array: np.ndarray | None, where: str) -> dict[str, Any]:
    if array is None:
        return {}
    label = f"{where}: '{META}'"
    if array.ndim or array.dtype.kind != "U" or array.nbytes > _MAX_META_BYTES:
        raise DataError(label, f"shape {array.shape} {array.dtype}", "one JSON string")
    try:
        meta = json.loads(str(array))
    except (ValueError, RecursionError) as error:
        raise DataError(label, f"no JSON ({brief(error)})", "a JSON object") from error
    return check_meta(meta, label)
