"""A plain folder with one `.npz` for each episode, for whoever has nothing but numpy.

    episode_000000.npz   arrays by name: (T, *shape) a step name, (*shape) a one-time name
    episode_000001.npz
    meta.json            what the names are, and `_meta` of Muse's data

Names and types are Muse's own. A folder that others made needs no `meta.json`: any `*.npz` counts, in the order of the numbers in their
names, whatever these are; arrays with the first dimension that `action` has (or, without one, the most) are step names, the others
one-time names; `done` may be there, true on the last row alone. Nothing is unpickled.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats import npz
from muse.datasets.formats.building import build_folder
from muse.datasets.formats.columns import DERIVED, Column, read_columns
from muse.datasets.formats.episode_data import EpisodeData, ends_of, role_by_name
from muse.datasets.formats.fates import Fate, choose_names
from muse.datasets.formats.format import Format, Tell, tell_nobody
from muse.datasets.formats.headers import Header
from muse.datasets.formats.kept import Kept
from muse.datasets.formats.plan import Plan, guess_role
from muse.datasets.formats.selection import select
from muse.datasets.formats.work import Work
from muse.utils.errors import OptionError

_TABLE = "meta.json"
_EXPECTED = "a folder of .npz files, one for each episode"


class EpisodesFormat(Format):
    """A folder of `.npz` files, one for each episode."""

    name = "episodes"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """See `Format.recognizes`."""
        return path.is_dir() and next(path.glob("*.npz"), None) is not None

    @classmethod
    def may_replace(cls, path: Path) -> bool:
        """See `Format.may_replace`: a folder with archives in it may also be one of many datasets."""
        there = [file.name for file in path.iterdir()]
        return _TABLE in there and all(name == _TABLE or name.endswith(".npz") for name in there)

    def read(
        self, path: Path, names: Mapping[str, str], splits: Iterable[str], work: Work, progress: Tell = tell_nobody
    ) -> tuple[EpisodeData, list[Fate]]:
        """See `Format.read`."""
        where, files = str(path), _files(path)
        table = path / _TABLE
        kept = Kept.from_json(table.read_bytes(), str(table)) if table.exists() else Kept()
        skip = {name for name, new in names.items() if not new}
        columns, lengths, fates = _plan(files, skip, kept, names, where)
        fits = kept.fits(lengths)
        if kept.columns and not fits:
            kept = kept.of_changed()
        selection = select(np.cumsum(lengths), kept.meta.get("splits", {}), splits, where)
        last: dict[int, dict[str, np.ndarray]] = {}

        def fetch(number: int, column: Column) -> np.ndarray:
            if number not in last:
                last.clear()
                last[number] = _read(files[selection.numbers[number]], skip)
            return last[number][column.place]

        arrays = read_columns(columns, selection.lengths, fetch, work, progress, where, self.finite)
        data = kept.to_episodes(columns, arrays, selection.lengths, selection.meta(kept.meta), where)
        told = [column.fate(arrays[column.name]) for column in columns]
        return data, [*told, *fates, *kept.fates(_TABLE, selection.splits, selection.counts, fits)]

    def write(
        self,
        path: Path,
        data: EpisodeData,
        names: Mapping[str, str],
        splits: Iterable[str],
        work: Work,
        progress: Tell = tell_nobody,
    ) -> list[Fate]:
        """See `Format.write`."""
        plan = Plan(data, names, splits, lambda name, role, is_onetime: name)
        for name, place in plan.places.items():
            if place in DERIVED or place.startswith("_"):
                raise OptionError(f"{plan.where}: '{name}' -> '{place}'", "a name of its own meaning", "another name")
        count = len(plan.selection.numbers)
        with build_folder(path, work) as folder:
            for number in range(work.done, count):
                arrays = {plan.places[name]: plan.values(name, number) for name in plan.there()}
                with open(folder / f"episode_{number:06d}.npz", "wb") as file:
                    npz.write_archive(file, arrays, plan.where)
                work.commit(number + 1)
                progress(number + 1, count)
            (folder / _TABLE).write_text(json.dumps(plan.kept().to_dict()))
        return [*plan.fates(_TABLE), *(Fate(name, "", "follows from the episodes") for name in DERIVED)]


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(str(folder), "a file" if folder.exists() else "nothing there", _EXPECTED)
    files = [file for file in folder.glob("*.npz") if not file.name.startswith(".")]
    if not files:
        raise DataError(
            str(folder),
            "no .npz file",
            _EXPECTED,
            "there: " + (", ".join(sorted(p.name for p in folder.iterdir())[:5]) or "nothing"),
        )
    return sorted(files, key=lambda file: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file.name)])


def _read(file: Path, skip: Container[str]) -> dict[str, np.ndarray]:
    arrays, _ = npz.read_arrays(file, skip=skip)
    if "done" in arrays and len(ends_of(arrays["done"], str(file))) != 1:
        hint = "a folder has one episode a file: cut it at each done"
        raise DataError(f"{file}: 'done'", "true before the last row", "true there alone", hint)
    return arrays


def _plan(
    files: Sequence[Path], skip: Container[str], kept: Kept, names: Mapping[str, str], where: str
) -> tuple[list[Column], np.ndarray, list[Fate]]:
    """Returns the columns, the rows of each file, and what becomes of the rest."""
    layouts = [npz.read_headers(file, skip) for file in files]
    everywhere = dict.fromkeys(name for layout in layouts for name in layout)
    for file, layout in zip(files, layouts, strict=True):
        missing = next((name for name in everywhere if name not in layout and name not in skip), None)
        if missing is not None:
            hint = f"mend the file, or leave the name out (--map {missing}=)"
            raise DataError(f"{file}: '{missing}'", "missing", "in every file what is in one of them", hint)
    lengths = np.array([_length(file, layout, kept) for file, layout in zip(files, layouts, strict=True)], np.int64)
    columns, fates = [], []
    chosen = choose_names([n for n in everywhere if n != npz.META], lambda n: _name_of(n, kept), names, where)
    for place, name in chosen.items():
        if not name or name in DERIVED:
            fates.append(Fate(place, name, "follows from the episodes" if name else "as told"))
        else:
            headers = [layout[place] for layout in layouts if layout[place] is not None]
            columns.append(_column(place, name, headers, lengths, kept.columns.get(place), files))
    if npz.META in everywhere:
        fates.append(Fate(npz.META, "", "that of a single episode"))
    return columns, lengths, fates


def _name_of(place: str, kept: Kept) -> str:
    own = kept.columns.get(place)
    return own.name if own else place


def _length(file: Path, layout: Mapping[str, Header | None], kept: Kept) -> int:
    """Returns the rows of an episode: those of a name that is known to be a step name, else the commonest first dimension."""
    first = {name: header.shape[0] for name, header in layout.items() if header is not None and header.shape}
    known = [*DERIVED, "action", *(place for place, column in kept.columns.items() if not column.is_onetime)]
    rows = next((first[name] for name in known if name in first), None)
    if rows is None and first:
        rows = Counter(count for name, count in first.items() if not role_by_name(name)).most_common(1)[0][0]
    if not rows:
        raise DataError(str(file), "no rows", "arrays with a row for each step, (T, ...)")
    return rows


def _column(
    place: str, name: str, headers: Sequence[Header], lengths: np.ndarray, own: Column | None, files: Sequence[Path]
) -> Column:
    has_rows = all(header.shape[:1] == (rows,) for header, rows in zip(headers, lengths, strict=True))
    is_onetime = own.is_onetime if own else bool(role_by_name(name)) or not has_rows
    types = {header.dtype for header in headers}
    if len(types) > 1 and {dtype.kind for dtype in types} in ({"U"}, {"S"}):
        types = {max(types, key=lambda dtype: dtype.itemsize)}
    for file, header, rows in zip(files, headers, lengths, strict=True):
        shape = header.shape if is_onetime else header.shape[1:]
        wanted = headers[0].shape if is_onetime else headers[0].shape[1:]
        hint = f"mend the file, or leave the name out (--map {place}=)"
        if not is_onetime and header.shape[:1] != (rows,):
            raise DataError(
                f"{file}: '{place}'", f"{header.shape[0] if header.shape else 'no'} rows", f"{rows}, as the others have", hint
            )
        if shape != wanted or (header.dtype != headers[0].dtype and len(types) > 1):
            got, expected = f"shape {header.shape} {header.dtype}", f"{headers[0].shape} {headers[0].dtype} as in {files[0].name}"
            if not is_onetime:
                got, expected = f"rows of shape {shape} {header.dtype}", f"{wanted} {headers[0].dtype}, as in {files[0].name}"
            raise DataError(f"{file}: '{place}'", got, expected, hint)
    dtype, shape = next(iter(types)), headers[0].shape if is_onetime else headers[0].shape[1:]
    if own is None and not is_onetime and not shape:
        shape = (1,)
    role = (role_by_name(name) or "param") if is_onetime else guess_role(name)
    return Column(place, name, shape, dtype.newbyteorder("="), is_onetime, role)
