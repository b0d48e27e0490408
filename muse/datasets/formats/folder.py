"""The memory-mapped form: a folder `<name>.muse/` for images and for data larger than memory.

    run.muse/
      _episodes.npz          the episode table: `ends` (E,) and the same `_meta` as a native file
      ego.npy                one array per name, episodes one after another
      objects/position.npy   a slash opens a folder; what a file name may not hold is written %2E

The table says how many rows there are. It is replaced in one rename after the arrays are on the disk, so that rows beyond it
are those of an episode whose writing was cut short: they are ignored, and overwritten by the next.

A folder made by hand may have a `done.npy` instead of the table.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote

import numpy as np

from muse.datasets.dataset import DataError, OnError, raise_error
from muse.datasets.formats import npz
from muse.datasets.formats.episode_data import EpisodeData, role_by_name, roles_of, split_names
from muse.datasets.formats.headers import Header, read_header
from muse.utils.files import put_folder, restore_folder, sync_folder, temporary_folder

TABLE = "_episodes.npz"
_EXPECTED = "a .muse folder with one .npy per name"
_PART_BYTES = 2**24


def read(path: str | os.PathLike[str], ignore_prefixes: tuple[str, ...] = (), on_error: OnError = raise_error) -> EpisodeData:
    """Maps the arrays of a folder, read-only; nothing is copied into memory.

    Args:
        ignore_prefixes: Names that begin with one of these are not read.
        on_error: Is given what is wrong in the folder. When it returns, reading goes on without that; what leaves nothing to read
            is raised in any case.

    Raises:
        DataError: For a folder that is missing, a file that is cut short or holds pickled objects, a broken table.
    """
    folder = Path(path)
    restore_folder(folder)
    if not folder.is_dir():
        raise DataError(
            str(path), "a file" if folder.exists() else "no such folder", _EXPECTED, "the path is relative to the working folder"
        )
    files = _files(folder, on_error)
    if not (folder / TABLE).exists():
        chosen = {name: None for name in files if name == "done" or not name.startswith(ignore_prefixes)}
        return split_names(dict(_map_all(files, chosen, path, on_error)), {}, str(path), on_error)
    if "done" in files or "rollout_timestep" in files:
        label, hint = f"{path}: 'done.npy' or 'rollout_timestep.npy'", f"delete what is not {TABLE}"
        on_error(DataError(label, f"beside {TABLE}", "one of the two", hint))
        files = {name: file for name, file in files.items() if name not in ("done", "rollout_timestep")}
    ends, meta = _read_table(folder, on_error)
    rows, roles = int(ends[-1]) if len(ends) else 0, roles_of(meta)
    once = {name for name in files if roles.get(name, role_by_name(name)) in ("param", "final")}
    chosen = {name: len(ends) if name in once else rows for name in files if not name.startswith(ignore_prefixes)}
    arrays = dict(_map_all(files, chosen, path, on_error))
    steps, onetime = ({name: arrays[name] for name in arrays if (name in once) == is_once} for is_once in (False, True))
    return EpisodeData(steps, onetime, ends, meta, str(path))


def num_episodes(path: str | os.PathLike[str]) -> int:
    """Returns the number of episodes of a folder; -1 where there is none that Muse wrote."""
    return len(_read_table(Path(path))[0]) if (Path(path) / TABLE).exists() else -1


def write(path: str | os.PathLike[str], data: EpisodeData) -> None:
    """Writes episodes; a crash leaves the old folder or the new one.

    Raises:
        DataError: For an array that could only be written by pickling it, and for a path that is taken by a file.
    """
    with replacing(path) as temporary:
        for name, array in _arrays(data, path).items():
            _write_array(temporary / file_name(name), array)
        _write_table(temporary, data)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields an empty folder beside `path` that takes its place when the block ends without an error, in one step.

    Raises:
        DataError: For a path that is taken by a file.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise DataError(str(path), "a file", "a folder, or nothing yet")
    target.parent.mkdir(parents=True, exist_ok=True)
    restore_folder(target)
    with temporary_folder(target) as temporary:
        yield temporary
        for folder, _, _ in os.walk(temporary):
            sync_folder(folder)
        put_folder(temporary, target)


def write_meta(path: str | os.PathLike[str], meta: Mapping[str, Any]) -> None:
    """Replaces the meta data of a folder that Muse wrote; its arrays are not touched.

    Raises:
        DataError: For a folder without an episode table, and while another process appends.
    """
    folder = Path(path)
    restore_folder(folder)
    if not (folder / TABLE).exists():
        raise DataError(str(path), f"no {TABLE}", "a folder that Muse wrote", "`muse data merge` it into a new one first")
    with _locked(folder):
        _write_table(folder, EpisodeData({}, {}, _read_table(folder)[0], meta))


def append(path: str | os.PathLike[str], data: EpisodeData) -> None:
    """Adds episodes at the end; a crash leaves the folder with them or without.

    A folder that is not there is written anew. The meta data's values replace those that are there.

    Raises:
        DataError: For names, shapes or types other than those there, and while another process appends.
    """
    folder = Path(path)
    restore_folder(folder)
    if not folder.exists():
        return write(path, data)
    with _locked(folder):
        there, new = read(path), _arrays(data, path)
        if not (folder / TABLE).exists():
            raise DataError(str(path), f"no {TABLE}", "a folder that Muse wrote", "muse.datasets.formats.folder.write first")
        there.check_alike(data)
        for name, array in new.items():
            count = len(there.ends) if name in there.onetime else there.num_rows
            _grow(folder / file_name(name), array, count, f"{path}: '{name}'")
        ends = np.concatenate([there.ends, data.ends + there.num_rows])
        _write_table(folder, EpisodeData({}, {}, ends, {**there.meta, **data.meta}))
    return None


def drop_last(path: str | os.PathLike[str], meta: Mapping[str, Any]) -> None:
    """Takes the last episode out of the table, in one step; its rows are overwritten by the next that is appended.

    Args:
        meta: The meta data without it, whose values replace those that are there.

    Raises:
        DataError: For a folder without episodes, and while another process appends.
    """
    folder = Path(path)
    restore_folder(folder)
    with _locked(folder):
        ends, there = _read_table(folder)
        if not len(ends):
            raise DataError(str(path), "no episodes", "one to take back")
        _write_table(folder, EpisodeData({}, {}, ends[:-1], {**there, **meta}))


def file_name(name: str) -> str:
    """Returns the path of a name's file inside the folder. No name leads out of it, and no two names share a file.

    Raises:
        DataError: For a name with an empty part.
    """
    if "" in name.split("/"):
        raise DataError(f"name '{name}'", "an empty part", "a path such as 'objects/position'")
    return "/".join(quote(part, safe=" ").replace(".", "%2E") for part in name.split("/")) + ".npy"


def _map_all(
    files: Mapping[str, Path], rows: Mapping[str, int | None], path: str | os.PathLike[str], on_error: OnError
) -> Iterator[tuple[str, np.ndarray]]:
    for name, count in rows.items():
        try:
            yield name, _map(files[name], count, path, name)
        except DataError as error:
            on_error(error)


def _files(folder: Path, on_error: OnError) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob("*.npy")):
        name = unquote(file.relative_to(folder).as_posix().removesuffix(".npy"))
        if name in found:
            got = f"two files, {found[name].name} and {file.name}"
            on_error(DataError(f"{folder}: '{name}'", got, "one file for each name"))
            continue
        found[name] = file
    return found


def _arrays(data: EpisodeData, path: str | os.PathLike[str]) -> Mapping[str, np.ndarray]:
    arrays = {**data.steps, **data.onetime}
    for name, array in arrays.items():
        npz.check_storable(array, f"{path}: '{name}'")
        if name in ("done", "rollout_timestep"):
            raise DataError(f"{path}: '{name}'", "an array of that name", "none: it follows from the episode table")
    return arrays


def _read_table(folder: Path, on_error: OnError = raise_error) -> tuple[np.ndarray, dict[str, Any]]:
    table = folder / TABLE
    arrays, meta = npz.read_arrays(table, on_error=on_error)
    ends = arrays.get("ends")
    if ends is None or ends.ndim != 1 or ends.dtype != np.int64 or np.any(np.diff(ends, prepend=0) < 1):
        raise DataError(
            f"{table}: 'ends'",
            "missing or not increasing",
            "(E,) int64, the row after each episode's last",
            "copy or collect it again",
        )
    return ends, meta


def _write_table(folder: Path, data: EpisodeData) -> None:
    npz.write_arrays(folder / TABLE, {"ends": np.asarray(data.ends, np.int64)}, data.meta)


def _map(file: Path, rows: int | None, path: str | os.PathLike[str], name: str) -> np.ndarray:
    """Returns the first `rows` rows of a file, all of them when None."""
    where = f"{path}: '{name}'"
    try:
        with open(file, "rb") as opened:
            header = read_header(opened, where)
            there = os.fstat(opened.fileno()).st_size - header.size
    except OSError as error:
        raise DataError(where, f"cannot be read ({error.strerror})", _EXPECTED) from error
    shape = _checked_shape(header, rows, there, where)
    if 0 in shape:
        return np.empty(shape, header.dtype)
    # A plain view of the map: gathers from the subclass would return the subclass.
    return np.asarray(np.memmap(file, header.dtype, "r", header.size, shape))


def _checked_shape(header: Header, rows: int | None, there: int, where: str) -> tuple[int, ...]:
    if header.fortran and len(header.shape) > 1:
        raise DataError(where, "elements in column order", "row order", "np.ascontiguousarray before np.save")
    shape = header.shape
    if rows is not None:
        if not shape or shape[0] < rows:
            got = f"{shape[0] if shape else 'no'} rows"
            raise DataError(where, got, f"{rows}, as the episode table says", "copy or collect it again")
        shape = (rows, *shape[1:])
    wanted = header._replace(shape=shape).num_bytes
    if there < wanted:
        got, expected = f"cut short: {there} bytes", f"{wanted} for shape {shape} {header.dtype}"
        raise DataError(where, got, expected, "copy or collect it again")
    return shape


def _write_array(file: Path, array: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "xb") as opened:
        opened.write(_header_bytes(array, len(array)))
        _write_rows(opened, array)
        _sync(opened)


def _grow(file: Path, array: np.ndarray, count: int, where: str) -> None:
    """Writes rows behind the first `count`. At every moment the file holds, and its header claims, at least those."""
    with open(file, "r+b") as opened:
        header = read_header(opened, where)
        # numpy leaves room in a header for the first size to grow, so that the new one is as long as the old.
        grown = _header_bytes(array, count + len(array))
        if len(grown) != header.size:
            got, expected = f"a header of {header.size} bytes", f"one of {len(grown)}, as this numpy writes it"
            raise DataError(where, got, expected, "write the folder anew")
        opened.truncate(header.size + count * header._replace(shape=header.shape[1:]).num_bytes)
        opened.seek(0, os.SEEK_END)
        _write_rows(opened, array)
        _sync(opened)
        opened.seek(0)
        opened.write(grown)
        _sync(opened)


def _header_bytes(array: np.ndarray, rows: int) -> bytes:
    buffer = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(array.dtype)
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": (rows, *array.shape[1:])})
    return buffer.getvalue()


def _write_rows(file: IO[bytes], array: np.ndarray) -> None:
    step = max(1, _PART_BYTES // max(1, array[:1].nbytes))
    for begin in range(0, len(array), step):
        file.write(np.ascontiguousarray(array[begin : begin + step]).tobytes())


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other processes from appending, where the system has locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise DataError(str(folder), "another process is appending to it", "one at a time") from error
    finally:
        os.close(handle)
