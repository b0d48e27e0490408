"""Arrays of another project's dataset, one by one: what they become, and how they are read, episode by episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.format import Tell
from muse.datasets.formats.work import Work
from muse.datasets.numbers import check_finite, to_type
from muse.specs import EnvSpec, Leaf

#: Names that follow from where the episodes end.
DERIVED = ("done", "rollout_timestep")


@dataclass(frozen=True)
class Column:
    """An array there and what it becomes here.

    Attributes:
        place, name: What it is called there and here.
        shape, dtype: Of a row here (of the value, for a one-time name).
        is_onetime: One value for each episode.
        role: Here, where the dataset does not say so itself.
        note: What changes besides the name.
        limits: Low and high, where the dataset says them; None for those of the type.
    """

    place: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    is_onetime: bool = False
    role: str = ""
    note: str = ""
    limits: tuple[Any, Any] | None = None

    def fate(self, array: np.ndarray) -> Fate:
        """Returns what became of it."""
        return Fate(self.place, self.name, f"{array.shape} {array.dtype}" + (f"; {self.note}" if self.note else ""))


def read_columns(
    columns: Sequence[Column],
    lengths: np.ndarray,
    fetch: Callable[[int, Column], np.ndarray],
    work: Work,
    progress: Tell,
    where: str,
    finite: bool = True,
) -> dict[str, np.ndarray]:
    """Reads episodes into arrays of `work`, from the first that it does not have.

    Args:
        lengths: `(E,)`, rows of each episode.
        fetch: Returns `(T, *shape)` of an episode, or the value of a one-time name.
        finite: Refuse NaN and infinity.

    Raises:
        DataError: For values that are not finite, of another type or shape, and for arrays that find no room.
    """
    ends = np.cumsum(lengths, dtype=np.int64)
    shapes = {column.name: (len(ends) if column.is_onetime else int(ends[-1]), *column.shape) for column in columns}
    needed = sum(int(np.prod(shapes[column.name], dtype=object)) * column.dtype.itemsize for column in columns)
    work.check_room(needed, where)
    arrays = {column.name: work.allocate(column.name, shapes[column.name], column.dtype) for column in columns}
    for number in range(work.done, len(ends)):
        for column in columns:
            label = f"{where}: episode {number}, '{column.place}'"
            rows = slice(number, number + 1) if column.is_onetime else slice(ends[number] - lengths[number], ends[number])
            array = arrays[column.name][rows]
            values = np.asarray(fetch(number, column))
            values = values[None] if column.is_onetime else values
            if values.size != array.size or (values.shape != array.shape and not _is_flat(values.shape, array.shape)):
                raise DataError(label, f"shape {values.shape}", str(array.shape), "mend the episode, or leave the name out")
            if finite:
                check_finite(values, label)
            array[...] = to_type(values, column.dtype, label).reshape(array.shape)
        work.commit(number + 1)
        progress(number + 1, len(ends))
    return arrays


def _is_flat(came: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return (*came, 1) == wanted


def leaf_of(column: Column, array: np.ndarray) -> Leaf:
    """Returns a leaf, without limits where nobody says any and it is no picture."""
    low, high = column.limits or ((0, 255) if array.dtype == np.uint8 else (-np.inf, np.inf))
    return Leaf(column.name, array.shape[1:], low, high, array.dtype, "", column.role)


def joined_spec(meta: Mapping[str, Any], leaves: list[Leaf]) -> dict[str, Any]:
    """Returns the spec in a file, of what is still there, and with what is new."""
    there = {leaf.name: (leaf.shape, leaf.dtype) for leaf in leaves}
    own = EnvSpec.from_dict(meta["spec"]) if "spec" in meta else EnvSpec.from_leaves([])
    listed = [own.leaf(name) for name in own.all_names]
    kept = [leaf for leaf in listed if leaf.name in DERIVED or (leaf.shape, leaf.dtype) == there.get(leaf.name)]
    return EnvSpec.from_leaves(kept).extended(leaves).to_dict()


def renamed_meta(meta: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Returns meta data whose spec has new names for some leaves, and not those whose new name is empty."""
    if "spec" not in meta:
        return dict(meta)
    leaves = [{**leaf, "name": names.get(leaf["name"], leaf["name"])} for leaf in meta["spec"]["leaves"]]
    return {**meta, "spec": {**meta["spec"], "leaves": [leaf for leaf in leaves if leaf["name"]]}}
