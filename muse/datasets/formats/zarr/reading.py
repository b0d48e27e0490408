"""From a replay buffer of diffusion_policy to episodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.columns import DERIVED, Column, read_columns
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate, choose_names
from muse.datasets.formats.format import Tell
from muse.datasets.formats.kept import Kept
from muse.datasets.formats.plan import guess_role
from muse.datasets.formats.selection import select
from muse.datasets.formats.work import Work
from muse.datasets.formats.zarr.store import ArrayInfo, Store

ENDS, DATA, META, ATTRIBUTE = "meta/episode_ends", "data/", "meta/", "muse"
#: Names of diffusion_policy that are others in Muse. The first of two is the one that is written.
NAMES = {"img": "image", "action": "action", "actions": "action"}
#: Recorded there without being seen by a policy.
_NO_ROLE = ("n_contacts", "timestamp", "stage")
_BLOCK_BYTES = 2**22


def read(
    path: Path, names: Mapping[str, str], splits: Iterable[str], work: Work, progress: Tell, finite: bool = True
) -> tuple[EpisodeData, list[Fate]]:
    """See `Format.read`. Names are keys in the store (`data/img`)."""
    where = str(path)
    with Store(path) as store:
        ends = _read_ends(store, where)
        kept = Kept.from_dict(store.attributes().get(ATTRIBUTE), f"{where}: attribute '{ATTRIBUTE}'")
        fits = kept.fits(np.diff(ends, prepend=0))
        kept = kept if fits else kept.of_changed()
        columns, infos, fates = _plan(store, ends, kept, names, where)
        selection = select(ends, kept.meta.get("splits", {}), splits, where)
        opened = {column.place: _Rows(store.open(infos[column.place]), infos[column.place], where) for column in columns}

        def fetch(number: int, column: Column) -> np.ndarray:
            if column.is_onetime:
                return opened[column.place].rows(selection.numbers[number], selection.numbers[number] + 1)[0, ...]
            return opened[column.place].rows(selection.begins[number], selection.ends[number])

        arrays = read_columns(columns, selection.lengths, fetch, work, progress, where, finite)
        meta = selection.meta(kept.meta)
        data = kept.to_episodes(columns, arrays, selection.lengths, meta, where)
        told = [column.fate(arrays[column.name]) for column in columns]
        rest = kept.fates(f"@{ATTRIBUTE}", selection.splits, selection.counts, fits)
        return data, [*told, Fate(ENDS, "done", "true on the last row of each episode"), *fates, *rest]


def _read_ends(store: Store, where: str) -> np.ndarray:
    label = f"{where}: '{ENDS}'"
    if ENDS not in store.array_keys():
        there = "there: " + (", ".join(store.array_keys()[:8]) or "no arrays")
        raise DataError(label, "missing", "(E,) int64, the row after each episode's last", there)
    info = store.info(ENDS)
    if len(info.shape) != 1 or info.dtype.kind not in "iu" or info.shape[0] > 2**27:
        raise DataError(label, f"shape {info.shape} {info.dtype}", "(E,) int64, the row after each episode's last")
    ends = _Rows(store.open(info), info, where).rows(0, info.shape[0]).astype(np.int64)
    if not len(ends):
        raise DataError(label, "no episodes", "at least one")
    wrong = np.diff(ends, prepend=0) < 1
    if wrong.any():
        number = int(np.argmax(wrong))
        got = f"{ends[number]} for episode {number}"
        raise DataError(label, got, f"more than {ends[number - 1] if number else 0}: an episode has a row at least")
    return ends


def _plan(
    store: Store, ends: np.ndarray, kept: Kept, names: Mapping[str, str], where: str
) -> tuple[list[Column], dict[str, ArrayInfo], list[Fate]]:
    keys = [key for key in store.array_keys() if key.startswith((DATA, META)) and key != ENDS]
    fates = [Fate(key, "", "no part of a replay buffer") for key in store.array_keys() if not key.startswith((DATA, META))]
    fates += [Fate(f"@{name}", "", "an attribute") for name in store.attributes() if name != ATTRIBUTE]
    fates += [Fate(f"{key}@{name}", "", "an attribute") for key in store.array_keys() for name in store.attributes(key)]

    def default(key: str) -> str:
        own = kept.columns.get(key)
        if own:
            return own.name
        if key.startswith(META):
            return "param/" + key.removeprefix(META)
        return NAMES.get(key.removeprefix(DATA), key.removeprefix(DATA))

    columns, infos = [], {}
    # What another place of a buffer is called is not asked of an array that is left out: it may be of a kind that is refused.
    for key, name in choose_names(keys, default, names, where).items():
        if not name or name in DERIVED:
            fates.append(Fate(key, name, "follows from the episodes" if name else "as told"))
            continue
        info = infos[key] = store.info(key)
        is_onetime = key.startswith(META)
        if is_onetime and (not info.shape or info.shape[0] != len(ends)):
            fates.append(Fate(key, "", f"shape {info.shape}, not a row for each of the {len(ends)} episodes"))
            continue
        columns.append(_column(info, name, kept.columns.get(key), ends, is_onetime, where))
    return columns, infos, fates


def _column(info: ArrayInfo, name: str, own: Column | None, ends: np.ndarray, is_onetime: bool, where: str) -> Column:
    rows = info.shape[0] if info.shape else 0
    if not is_onetime and rows < ends[-1]:
        hint = f"mend the buffer, or leave it out (--map {info.key}=)"
        raise DataError(f"{where}: '{info.key}'", f"{rows} rows", f"{ends[-1]}, as {ENDS} says", hint)
    note = f"{rows - ends[-1]} rows beyond the last episode are left out" if not is_onetime and rows > ends[-1] else ""
    shape = info.shape[1:] or (() if is_onetime else (1,))
    if own is not None and own.dtype == info.dtype and own.shape in (info.shape[1:], shape):
        shape = own.shape
    key = info.key.removeprefix(DATA)
    role = "param" if is_onetime else "" if key in _NO_ROLE else guess_role(name)
    return Column(info.key, name, shape, info.dtype.newbyteorder("="), is_onetime, role, note)


class _Rows:
    """Reads rows through whole chunks, and keeps the last ones: an episode begins where another ended."""

    def __init__(self, array: Any, info: ArrayInfo, where: str) -> None:
        self._array, self._label = array, f"{where}: '{info.key}'"
        self._size = info.chunks[0] * max(1, _BLOCK_BYTES // info.chunk_bytes)
        self._block, self._held = -1, np.empty(0)

    def rows(self, begin: int, end: int) -> np.ndarray:
        parts = [
            self._get(block)[max(begin - block * self._size, 0) : end - block * self._size]
            for block in range(int(begin) // self._size, -(-int(end) // self._size))
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.empty(0, np.int64)

    def _get(self, block: int) -> np.ndarray:
        if block != self._block:
            try:
                self._held = np.asarray(self._array[block * self._size : (block + 1) * self._size])
            except Exception as error:  # Whatever a decoder makes of broken bytes.
                got = f"cannot be unpacked ({type(error).__name__}: {error})"
                raise DataError(self._label, got, "whole chunks", "copy or download it again") from error
            self._block = block
        return self._held
