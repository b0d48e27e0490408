"""From episodes to a replay buffer of diffusion_policy."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.formats.building import build_file, build_folder, scratch_folder
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.format import Tell
from muse.datasets.formats.npz import check_kind
from muse.datasets.formats.plan import Plan
from muse.datasets.formats.work import Work
from muse.datasets.formats.zarr.reading import ATTRIBUTE, DATA, ENDS, META, NAMES
from muse.datasets.formats.zarr.store import KINDS, describe, open_array
from muse.utils.errors import OptionError
from muse.utils.optional import require

#: Those of diffusion_policy: in memory and on the disk.
COMPRESSORS: dict[str, dict[str, Any] | None] = {
    "lz4": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 0, "blocksize": 0},
    "zstd": {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2, "blocksize": 0},
    "none": None,
}
#: About as many bytes as a chunk has in diffusion_policy.
_CHUNK_BYTES = 2_000_000
_BLOCK_BYTES = 2**24


def write(
    path: Path,
    data: EpisodeData,
    names: Mapping[str, str],
    splits: Iterable[str],
    compressor: str,
    work: Work,
    progress: Tell,
) -> list[Fate]:
    """See `Format.write`. Names are keys in the store (`data/img`)."""
    zarr = require("zarr", "zarr", "diffusion_policy's datasets")
    plan = Plan(data, names, splits, _key_of)
    _check_keys(plan)
    if path.name.endswith(".zip"):
        with scratch_folder(Path(os.path.realpath(path)), work) as folder:
            _fill(folder, plan, zarr, COMPRESSORS[compressor], work, progress)
            with build_file(path, work) as whole:
                _pack(folder, whole)
    else:
        with build_folder(path, work) as folder:
            _fill(folder, plan, zarr, COMPRESSORS[compressor], work, progress)
    told = plan.fates(f"@{ATTRIBUTE}")
    derived = [Fate("done", ENDS, "the row after each episode's last"), Fate("rollout_timestep", "", "follows from the episodes")]
    return [*told, *derived]


def _key_of(name: str, role: str, is_onetime: bool) -> str:
    if is_onetime:
        return META + name.replace("/", "_")
    own = {muse: key for key, muse in reversed(NAMES.items())}
    return DATA + own.get(name, name).replace("/", "_")


def _check_keys(plan: Plan) -> None:
    """Raises `OptionError` for a key that diffusion_policy would not find, or that is taken, `DataError` for what no array of zarr holds."""
    for name, key in plan.places.items():
        begin = META if name in plan.data.onetime else DATA
        if key:
            check_kind(plan.array(name), KINDS, f"{plan.where}: '{name}'", f"--map {name}=")
        if key and (
            not key.startswith(begin) or "/" in key.removeprefix(begin) or key == ENDS or key.removeprefix(begin)[:1] == "."
        ):
            raise OptionError(f"{plan.where}: '{name}' -> '{key}'", "no place for it", f"{begin}KEY", f"--map {name}={begin}KEY")


def _fill(folder: Path, plan: Plan, zarr: Any, compressor: Mapping[str, Any] | None, work: Work, progress: Tell) -> None:
    ends = np.cumsum(plan.selection.lengths, dtype=np.int64)
    for group in ("", DATA, META):
        (folder / group).mkdir(exist_ok=True)
        (folder / group / ".zgroup").write_text(json.dumps({"zarr_format": 2}))
    arrays, chunks = {}, {}
    for name in plan.there():
        if name in plan.data.steps:
            array = plan.array(name)
            chunks[name] = _chunk_rows(array, int(ends[-1]))
            arrays[name] = _make(
                folder, plan.places[name], (int(ends[-1]), *array.shape[1:]), array.dtype, chunks[name], compressor, zarr
            )
    for number in range(work.done, len(ends)):
        for name, array in arrays.items():
            # Whole chunks, those that end with this episode.
            size = chunks[name]
            begin = int(ends[number - 1]) // size * size if number else 0
            end = int(ends[-1]) if number == len(ends) - 1 else int(ends[number]) // size * size
            step = size * max(1, _BLOCK_BYTES // max(1, size * array.dtype.itemsize * int(np.prod(array.shape[1:]))))
            for first in range(begin, end, step):
                last = min(first + step, end)
                if 0 not in array.shape:
                    array[first:last] = plan.rows(name, first, last)
        work.commit(number + 1)
        progress(number + 1, len(ends))
    once = {
        plan.places[name]: plan.data.onetime[name][plan.selection.numbers] for name in plan.there() if name in plan.data.onetime
    }
    for key, values in {**once, ENDS: ends}.items():
        array = _make(folder, key, values.shape, values.dtype, len(values), None, zarr)
        if values.size:
            array[:] = values
    (folder / ".zattrs").write_text(json.dumps({ATTRIBUTE: plan.kept().to_dict()}))


def _chunk_rows(array: np.ndarray, rows: int) -> int:
    return min(max(1, -(-_CHUNK_BYTES // max(1, array[:1].nbytes))), rows)


def _make(
    folder: Path, key: str, shape: tuple[int, ...], dtype: np.dtype, rows: int, compressor: Mapping[str, Any] | None, zarr: Any
) -> Any:
    """Makes an array, or opens it where an earlier program made it."""
    (folder / key).mkdir(exist_ok=True)
    (folder / key / ".zarray").write_text(describe(shape, (rows, *(max(1, n) for n in shape[1:])), dtype, compressor))
    return open_array(zarr, str(folder), key, "r+")


def _pack(folder: Path, path: Path) -> None:
    """Writes an archive of the store; what is in it is packed already."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder).as_posix())
