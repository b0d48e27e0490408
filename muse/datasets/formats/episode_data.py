"""Episodes as arrays with their meta data: what every format reads and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError, OnError, raise_error
from muse.datasets.numbers import check_finite
from muse.specs import EnvSpec

#: Version of the meta data's layout.
VERSION = 1


@dataclass(frozen=True)
class EpisodeData:
    """Whole episodes, one after another.

    Attributes:
        steps: Step names by path, `(N, *shape)`, without `done` and `rollout_timestep`, which follow from `ends`.
        onetime: One-time names by path, `(E, *shape)`.
        ends: `(E,)` int64, the row after each episode's last.
        meta: Plain values: `spec` (see `EnvSpec.to_dict`), `fingerprint` of the environment, `splits` (lists of episode
            numbers by name), and whatever else JSON holds. Empty for a file that came without.
        where: The file, for messages.
    """

    steps: Mapping[str, np.ndarray]
    onetime: Mapping[str, np.ndarray]
    ends: np.ndarray
    meta: Mapping[str, Any] = field(default_factory=dict)
    where: str = "data"

    @property
    def num_rows(self) -> int:
        """Number of rows, `N`."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def done(self) -> np.ndarray:
        """Returns `(N,)` bool, true exactly on the last row of each episode."""
        done = np.zeros(self.num_rows, bool)
        done[self.ends - 1] = True
        return done

    def rollout_timestep(self) -> np.ndarray:
        """Returns `(N,)` int64, counted from 0 in each episode."""
        lengths = np.diff(self.ends, prepend=0)
        return np.arange(self.num_rows) - np.repeat(self.ends - lengths, lengths)

    def from_episode(self, index: int) -> EpisodeData:
        """Returns the episodes from number `index` on."""
        begin = int(self.ends[index - 1]) if index > 0 else 0
        steps = {name: array[begin:] for name, array in self.steps.items()}
        onetime = {name: array[index:] for name, array in self.onetime.items()}
        return EpisodeData(steps, onetime, self.ends[index:] - begin, self.meta, self.where)

    def check_alike(self, new: EpisodeData) -> None:
        """Raises `DataError` when `new`, which is to follow these episodes, has other names, shapes or types."""
        for kind, old_arrays, arrays in (("step", self.steps, new.steps), ("one-time", self.onetime, new.onetime)):
            if set(old_arrays) != set(arrays):
                different = min(set(old_arrays) ^ set(arrays))
                raise DataError(
                    f"{self.where}: '{different}'",
                    f"{'missing in' if different in old_arrays else 'new with'} the episodes to append",
                    f"the same {kind} names",
                )
            for name, array in arrays.items():
                old = old_arrays[name]
                if (old.shape[1:], old.dtype) != (array.shape[1:], array.dtype):
                    raise DataError(
                        f"{self.where}: '{name}'",
                        f"shape {array.shape[1:]} {array.dtype}",
                        f"shape {old.shape[1:]} {old.dtype}, as there",
                    )


def join_parts(parts: Sequence[EpisodeData], meta: Mapping[str, Any], where: str) -> EpisodeData:
    """Returns the episodes of several parts, at least one, that are alike, one after another."""
    steps, onetime = (
        {name: np.concatenate([getattr(part, kind)[name] for part in parts]) for name in getattr(parts[0], kind)}
        for kind in ("steps", "onetime")
    )
    lengths = np.concatenate([np.diff(part.ends, prepend=0) for part in parts])
    return EpisodeData(steps, onetime, np.cumsum(lengths, dtype=np.int64), meta, where)


def check_meta(meta: Any, where: str) -> dict[str, Any]:
    """Returns `meta` when it is what Muse writes beside the arrays.

    Raises:
        DataError: When it is no mapping, of a newer version, or its spec or its splits are broken.
    """
    if not isinstance(meta, dict):
        raise DataError(where, f"a {type(meta).__name__}", "a JSON object")
    if meta.get("version", VERSION) != VERSION:
        raise DataError(where, f"version {meta['version']!r}", f"version {VERSION}", "the version of Muse that wrote it")
    if "spec" in meta:
        try:
            EnvSpec.from_dict(meta["spec"])
        except Exception as error:  # Whatever a spec makes of values that are none.
            raise DataError(
                where, f"no spec ({type(error).__name__}: {error})", "'spec' as EnvSpec.to_dict returns it"
            ) from error
    splits = meta.get("splits", {})
    if not isinstance(splits, dict) or any(not _is_numbers(split) for split in splits.values()):
        raise DataError(where, "broken 'splits'", "a list of episode numbers for each name")
    return meta


def _is_numbers(split: Any) -> bool:
    return isinstance(split, list) and all(isinstance(number, int) and not isinstance(number, bool) for number in split)


def ends_of(done: np.ndarray, where: str, on_error: OnError = raise_error) -> np.ndarray | None:
    """Returns the row after each episode's last, from `done`; None when it does not say.

    Raises:
        DataError: When `done` is no `(N,)` bool array or its last row is not true, unless `on_error` goes on.
    """
    if done.ndim == 2 and done.shape[1] == 1:
        done = done[:, 0]
    if done.ndim != 1 or (done.dtype != bool and not (done.dtype.kind in "iu" and np.isin(done, (0, 1)).all())):
        expected = "(N,) bool, true on the last row of each episode"
        on_error(DataError(f"{where}: 'done'", f"shape {done.shape} {done.dtype}", expected))
        return None
    if len(done) and not done[-1]:
        got, hint = f"false on the last row ({len(done) - 1})", "cut the rows after the last done, or set it"
        on_error(DataError(f"{where}: 'done'", got, "true there: the last episode has no end", hint))
        done = np.append(done[:-1], done.dtype.type(True))
    return np.flatnonzero(done).astype(np.int64) + 1


def split_names(
    arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any], where: str, on_error: OnError = raise_error
) -> EpisodeData:
    """Sorts the arrays of a file into steps and one-time names.

    A name is one-time when the meta data's spec calls it a param or final, or, in a file without meta data, when its name begins
    with `param/` or `final/`, or when it has `E` rows and not `N`. A one-time name that a file keeps as `(N, *shape)` is reduced
    to its first row in each episode (last, for a final).

    Raises:
        DataError: For a missing `done`, and for lengths that differ. Where `on_error` goes on instead, arrays of another length are
            left out; without a usable `done` all arrays are returned as steps, of no episodes.
    """
    ends = None
    if "done" not in arrays:
        expected = "(N,) bool, true on the last row of each episode"
        on_error(DataError(f"{where}: 'done'", "missing", expected, "names there: " + (", ".join(sorted(arrays)) or "none")))
    else:
        ends = ends_of(arrays["done"], where, on_error)
    if ends is None:
        steps = {name: np.atleast_1d(array) for name, array in arrays.items() if name not in ("done", "rollout_timestep")}
        return EpisodeData(steps, {}, np.zeros(0, np.int64), meta, where)
    rows = int(ends[-1]) if len(ends) else 0
    roles = roles_of(meta)
    steps, onetime = {}, {}
    for name, array in arrays.items():
        if name in ("done", "rollout_timestep"):
            continue
        role = roles.get(name, role_by_name(name))
        count = len(array) if array.ndim else -1
        if role in ("param", "final") and count == rows and rows != len(ends):
            onetime[name] = array[ends - 1] if role == "final" else array[ends - np.diff(ends, prepend=0)]
        elif role in ("param", "final") or (not roles and count == len(ends) != rows):
            onetime[name] = array
        else:
            steps[name] = array
    for names, wanted in ((steps, rows), (onetime, len(ends))):
        for name, array in list(names.items()):
            if array.ndim == 0 or len(array) != wanted:
                there = str(len(array)) if array.ndim else "no"
                on_error(DataError(f"{where}: '{name}'", f"{there} rows", f"{wanted}, as 'done' says"))
                check_finite(np.atleast_1d(names.pop(name)), f"{where}: '{name}'", on_error)
    _check_timestep(arrays, ends, where, on_error)
    return EpisodeData(steps, onetime, ends, meta, where)


def roles_of(meta: Mapping[str, Any]) -> dict[str, str]:
    """Returns the role of each name that the meta data's spec lists."""
    return {leaf["name"]: leaf["role"] for leaf in meta.get("spec", {}).get("leaves", ())}


def role_by_name(name: str) -> str:
    """Returns the role that a name alone tells: `param`, `final`, or `""`."""
    return "param" if name.startswith("param/") else "final" if name.startswith("final/") else ""


def _check_timestep(arrays: Mapping[str, np.ndarray], ends: np.ndarray, where: str, on_error: OnError) -> None:
    if "rollout_timestep" not in arrays:
        return
    came = arrays["rollout_timestep"].reshape(-1)
    wanted = EpisodeData({}, {}, ends).rollout_timestep()
    label, expected = f"{where}: 'rollout_timestep'", "0, 1, 2 ... from each episode's first row"
    if came.shape != wanted.shape:
        on_error(DataError(label, f"shape {arrays['rollout_timestep'].shape}", f"({len(wanted)},), as 'done' says"))
    elif not np.array_equal(came, wanted):
        on_error(DataError(label, f"{came[np.argmax(came != wanted)]} in row {int(np.argmax(came != wanted))}", expected))
