"""The same episodes under other names, types, roles and units, with values computed anew."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData, role_by_name
from muse.datasets.numbers import rows_all
from muse.datasets.tools.expressions import Expression, ExpressionError, Value
from muse.datasets.tools.reworking import Tell, tell_nobody
from muse.datasets.tools.specs import arrays_spec
from muse.datasets.tools.values import EpisodeValues
from muse.datasets.tools.writing import check_target, parts_of_episodes, write_parts
from muse.specs import EnvSpec, Leaf
from muse.utils.errors import OptionError, nearest

_ONCE = ("param", "final")


@dataclass(frozen=True)
class Changes:
    """What is to be different. Values are computed from the source's names; then names are dropped, then renamed; the rest goes by
    the new names.

    Attributes:
        values: Expression by name, new or there: for each row, or for the episode where the name begins with `param/` or `final/`.
        drop: Names to leave out.
        rename: New name by old name.
        roles, units: By name.
        limits: `(low, high)` by name.
        dtypes: numpy type by name; one that loses nothing, but for float64 to float32 or float16.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    dtypes: Mapping[str, Any] = field(default_factory=dict)


def relabel_data(
    data: EpisodeData,
    target: str | os.PathLike[str],
    changes: Changes,
    overwrite: bool = False,
    progress: Tell = tell_nobody,
) -> EnvSpec:
    """Writes the same episodes with changes; see `Changes`.

    Args:
        data: Episodes.
        target: A new `.npz` file or `.muse` folder.
        changes: What is to be different.
        overwrite: Replace what is at `target`.
        progress: Is told how many episodes are written.

    Returns:
        The spec of what was written.

    Raises:
        OptionError: For a change that does not fit the data.
        ExpressionError: For an expression that is none, does not fit the data, or gives NaN or infinity.
        DataError: For a type that would lose something, and when `target` is taken.
    """
    path = check_target(target, [data.where], overwrite)
    work = _Relabeling(data, changes)
    write_parts(path, work.parts(), work.meta(), progress)
    return work.spec


class _Relabeling:
    """Changes that have been checked against data."""

    def __init__(self, data: EpisodeData, changes: Changes) -> None:
        self.data, self.changes = data, changes
        self.expressions = {name: Expression(text, f"--set {name}", each_row=True) for name, text in changes.values.items()}
        self.values = EpisodeValues.of(data, *self.expressions.values())
        if not len(data.ends):
            raise DataError(data.where, "no episodes", "at least one")
        leaves = {leaf["name"]: Leaf.from_dict(leaf) for leaf in arrays_spec(data).to_dict()["leaves"]}
        self.computed = {name: self._leaf_of_value(name, leaves.get(name)) for name in self.expressions}
        leaves.update(self.computed)
        for name in changes.drop:
            _check_name(name, leaves, "--drop")
            del leaves[name]
        for old, new in changes.rename.items():
            _check_name(old, leaves, "--rename")
            if new in ("done", "rollout_timestep") or (new in leaves and new not in changes.rename):
                raise OptionError(f"--rename {old}={new}", f"'{new}' is taken", "a new name")
        if not leaves:
            raise OptionError("--drop", "every name there is", "one that is left, at least")
        names = [changes.rename.get(name, name) for name in leaves]
        if len(set(names)) < len(names):
            raise OptionError("--rename", "two names become one", "a name for each")
        self.sources = dict(zip(names, leaves, strict=True))
        self.spec = EnvSpec.from_leaves(self._changed(new, leaves[old]) for new, old in self.sources.items())
        for option in ("roles", "units", "limits", "dtypes"):
            for name in getattr(changes, option):
                _check_name(name, names, f"--{option.removesuffix('s')}")

    def meta(self) -> dict[str, Any]:
        """Returns the meta data, with the new spec."""
        meta = {**self.data.meta, "spec": self.spec.to_dict()}
        new = {old: name for name, old in self.sources.items()}
        for key, block in meta.items():
            # Of data that was converted: the name here of each name there.
            if isinstance(block, dict) and isinstance(block.get("names"), dict):
                names = {theirs: new[ours] for theirs, ours in block["names"].items() if ours in new}
                meta[key] = {**block, "names": names}
        return meta

    def parts(self) -> Iterator[EpisodeData]:
        """Yields the episodes, changed, a part at a time."""
        first = 0
        for part in parts_of_episodes(self.data, range(len(self.data.ends))):
            arrays = {**part.steps, **part.onetime}
            for name in self.expressions:
                arrays[name] = np.concatenate([self._compute(name, first + i) for i in range(len(part.ends))])
            steps, onetime = {}, {}
            for name, old in self.sources.items():
                leaf = self.spec.leaf(name)
                kind = onetime if leaf.role in _ONCE else steps
                kind[name] = cast(arrays[old], leaf.dtype, f"{self.data.where}: '{old}'")
            yield EpisodeData(steps, onetime, part.ends, {}, part.where)
            first += len(part.ends)

    def _changed(self, name: str, leaf: Leaf) -> Leaf:
        changes = self.changes
        role = changes.roles.get(name, leaf.role)
        if (role in _ONCE) != (leaf.role in _ONCE):
            has = "a value per episode" if leaf.role in _ONCE else "a row per step"
            raise OptionError(
                f"--role {name}={role}", f"'{name}' has {has}", "a role for such names", '--set "param/...=first(...)"'
            )
        low, high = changes.limits.get(name, (leaf.low, leaf.high))
        unit, dtype = changes.units.get(name, leaf.unit), changes.dtypes.get(name, leaf.dtype)
        return Leaf(name, leaf.shape, low, high, np.dtype(dtype), unit, role, leaf.description)

    def _leaf_of_value(self, name: str, leaf: Leaf | None) -> Leaf:
        """Returns the leaf of a computed name: of its shape and type where it is there, else as the first episode's value is."""
        where = f"--set {name}"
        if name in ("done", "rollout_timestep"):
            raise OptionError(where, "it follows from the episodes", "another name")
        value = self._evaluate(name, 0)
        is_once = (leaf.role if leaf else role_by_name(name)) in _ONCE
        if is_once and value.has_rows:
            raise ExpressionError(where, "a value for each row", "one for the episode", "first(...) or last(...)")
        if value.array.dtype.kind == "U":
            raise ExpressionError(where, "text", "numbers or truths")
        shape = value.array.shape[int(value.has_rows) :]
        if leaf is None:
            shape = shape or (() if is_once else (1,))
            dtype = np.dtype(bool if value.array.dtype == bool else np.float32)
            return Leaf(name, shape, -np.inf, np.inf, dtype, role=role_by_name(name))
        if leaf.shape not in (shape, shape or (1,)):
            raise ExpressionError(where, f"shape {shape}", f"{leaf.shape}, as '{name}' has", "a new name")
        # The limits were those of other values.
        return Leaf(name, leaf.shape, -np.inf, np.inf, leaf.dtype, leaf.unit, leaf.role, leaf.description)

    def _evaluate(self, name: str, index: int) -> Value:
        return self.expressions[name].evaluate(lambda used: self.values.get(index, used))

    def _compute(self, name: str, index: int) -> np.ndarray:
        """Returns the computed rows of an episode, `(T, *shape)`, or `(1, *shape)` for a one-time name."""
        leaf, value = self.computed[name], self._evaluate(name, index)
        begin, end = int(self.data.ends[index - 1]) if index else 0, int(self.data.ends[index])
        length = 1 if leaf.role in _ONCE else end - begin
        array = value.array if value.has_rows else np.broadcast_to(value.array, (length, *value.array.shape))
        if not (good := rows_all(np.isfinite(array))).all():
            got = f"NaN or infinity in row {int(np.argmin(good))} of episode {index}"
            raise ExpressionError(f"--set {name}", got, "finite numbers", "max(..., 1e-6) below a fraction or in a log")
        try:
            return cast(array.reshape(length, *leaf.shape), leaf.dtype, f"--set {name}: episode {index}")
        except ValueError:
            got = f"shape {array.shape[1:]} in episode {index}"
            raise ExpressionError(f"--set {name}", got, f"{leaf.shape}, as in the others") from None


def cast(array: np.ndarray, dtype: np.dtype, label: str) -> np.ndarray:
    """Returns `array` as `dtype` where nothing is lost but the precision of floats.

    Raises:
        DataError: Where more would be, with the row.
    """
    if array.dtype == dtype:
        return array
    if "U" in (array.dtype.kind, dtype.kind) and array.dtype.kind != dtype.kind:
        raise DataError(label, f"dtype {array.dtype}", f"one that becomes {dtype}")
    with np.errstate(all="ignore"):
        converted = array.astype(dtype)
        if array.dtype.kind == dtype.kind == "f":
            same = np.isfinite(converted) | ~np.isfinite(array)
        else:
            # There and back alone would let 200 pass as int8, and the values alone 2**53 + 1 as a float.
            same = (converted.astype(array.dtype) == array) & (converted == array)
    same = rows_all(same)
    if not same.all():
        row = int(np.argmin(same))
        raise DataError(label, f"{np.ravel(array[row])[:4].tolist()} in row {row}", f"what {dtype} can hold")
    return converted


def _check_name(name: str, names: Any, option: str) -> None:
    if name not in names:
        raise OptionError(f"{option} {name}", f"no name '{name}'{nearest(name, names)}", "one of " + ", ".join(names))
