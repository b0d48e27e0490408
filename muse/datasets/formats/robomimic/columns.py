"""Which dataset of the demonstrations becomes which array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.columns import DERIVED
from muse.datasets.formats.fates import Fate, choose_names
from muse.datasets.formats.hdf5 import STORABLE_KINDS
from muse.datasets.formats.robomimic.names import FINAL_NEXT, NEXT_OBS, OBS, name_in_muse, role_of
from muse.datasets.formats.robomimic.survey import Survey
from muse.specs import Leaf


@dataclass(frozen=True)
class Column:
    """A dataset of the demonstrations and the array that it becomes.

    Attributes:
        path, name: There and here.
        shape, dtype: Of a row here (of the value, for a one-time name).
        came: Shape and type there.
        is_single: One value for each episode.
        now: Name of the observation whose next one this is; only what follows the last row is kept then. Empty otherwise.
    """

    path: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    came: tuple[tuple[int, ...], np.dtype]
    is_single: bool
    now: str

    @property
    def is_onetime(self) -> bool:
        """Whether its array is `(E, *shape)`; `(N, *shape)` otherwise."""
        return self.is_single or bool(self.now)

    @property
    def is_flat(self) -> bool:
        """Whether it is `(N,)` there and `(N, 1)` here."""
        return not self.is_single and not self.came[0] and self.shape == (1,)

    def array_shape(self, ends: np.ndarray) -> tuple[int, ...]:
        """Returns the shape of its array over all episodes."""
        return (len(ends) if self.is_onetime else int(ends[-1]), *self.shape)

    def leaf(self, array: np.ndarray) -> Leaf:
        """Returns a leaf without limits, but for pictures, and for actions that keep to those of robomimic."""
        low, high = (0, 255) if array.dtype == np.uint8 else (-np.inf, np.inf)
        if self.path == "actions" and array.size and array.min() >= -1 and array.max() <= 1:
            low, high = -1, 1
        return Leaf(self.name, array.shape[1:], low, high, array.dtype, "", role_of(self.path, self.name))

    def fate(self, array: np.ndarray) -> Fate:
        """Returns what became of the dataset."""
        shape, dtype = self.came
        note = f"{array.shape} {self.dtype}" + (f", was {dtype}" if dtype != self.dtype else "")
        if self.now:
            note += f"; in all other rows it is the next '{self.now}'"
        elif shape != self.shape:
            note += f"; a row was {shape}"
        return Fate(self.path, self.name, note)


def plan_columns(survey: Survey, overrides: Mapping[str, str]) -> tuple[list[Column], list[Fate]]:
    """Returns the columns to read, observations before next observations; and what becomes of the other datasets.

    Args:
        overrides: Muse's name by path, where it is not to be the usual one; empty: left out.

    Raises:
        OptionError: For an override of what is not there.
        DataError: For what is missing in an episode, or has another shape, type or length there.
    """
    paths = list(dict.fromkeys(path for layout in survey.layouts for path in layout))
    paths.sort(key=lambda path: path.startswith(NEXT_OBS))
    odd = {path for layout in survey.layouts for path in layout if layout[path][1].kind not in STORABLE_KINDS}
    known = survey.embedded.names

    def default(path: str) -> str:
        return "" if path in odd else known.get(path) or name_in_muse(path, survey.env_name, {**known, **overrides})

    names = choose_names(paths, default, overrides, survey.where)

    def now_of(path: str) -> str:
        """Returns the observation that a next observation may be reduced with: not where its own array is asked for."""
        is_whole = path in overrides or not known.get(path, FINAL_NEXT).startswith(FINAL_NEXT)
        return "" if is_whole or not path.startswith(NEXT_OBS) else names.get(OBS + path.removeprefix(NEXT_OBS), "")

    columns, fates = [], []
    for path, name in names.items():
        if not name or name in DERIVED:
            note = "follows from the episodes" if name else "as told" if path in overrides else "neither numbers nor short text"
            fates.append(Fate(path, name, note))
        else:
            now = now_of(path)
            is_whole = path.startswith(NEXT_OBS) and path not in overrides
            name = FINAL_NEXT + now if now else name.removeprefix("final/") if is_whole else name
            columns.append(_column(survey, path, name, now))
    return columns, fates


def _column(survey: Survey, path: str, name: str, now: str) -> Column:
    is_single = name in survey.embedded.onetime and not path.startswith(NEXT_OBS)
    hint = f"mend the file, or leave the name out (--map {path}=)"
    rows = []
    for demo, layout, length in zip(survey.demos, survey.layouts, survey.lengths, strict=True):
        where = f"{survey.where}: data/{demo}/{path}"
        if path not in layout:
            raise DataError(where, "missing", "in every episode what is in one of them", hint)
        shape, dtype = layout[path]
        if not is_single and (not shape or shape[0] != length):
            raise DataError(where, f"{shape[0] if shape else 'no'} rows", f"{length}, as its actions have", hint)
        rows.append((shape if is_single else shape[1:], dtype))
        if rows[-1] != rows[0]:
            expected = f"{rows[0][0]} {rows[0][1]}, as in {survey.demos[0]}"
            raise DataError(where, f"rows of shape {rows[-1][0]} {rows[-1][1]}", expected, hint)
    return Column(path, name, *_shape_and_type(survey, path, name, *rows[0], is_single), rows[0], is_single, now)


def _shape_and_type(
    survey: Survey, path: str, name: str, shape: tuple[int, ...], dtype: np.dtype, is_single: bool
) -> tuple[tuple[int, ...], np.dtype]:
    """Returns what a row becomes: as the spec in the file says; else float32 for float64, and `(1,)` for a number."""
    for leaf in survey.embedded.meta.get("spec", {}).get("leaves", ()):
        if leaf["name"] == name and np.prod(leaf["shape"]) == np.prod(shape):
            return tuple(leaf["shape"]), np.dtype(leaf["dtype"])
    if dtype.kind == "f" and dtype.itemsize == 8 and path != "states":
        dtype = np.dtype(np.float32)
    return shape if shape or is_single else (1,), dtype
