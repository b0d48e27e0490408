"""From files to checked episodes: which names a dataset holds, and that their arrays fit the spec."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError, OnError, raise_error
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.numbers import check_finite, parts_of, to_type
from muse.specs import EnvSpec, Leaf
from muse.utils.errors import nearest

_log = logging.getLogger(__name__)


def format_of(path: str | os.PathLike[str]) -> ModuleType:
    """Returns the module that reads and writes files of this spelling.

    Raises:
        DataError: For another spelling.
    """
    suffix = Path(path).suffix
    if suffix == ".npz":
        from muse.datasets.formats import npz

        return npz
    if suffix == ".muse":
        from muse.datasets.formats import folder

        return folder
    raise DataError(str(path), f"a name that ends in '{suffix}'", "a .npz file or a .muse folder")


def read_file(path: str | os.PathLike[str], ignore_prefixes: tuple[str, ...] = ()) -> EpisodeData:
    """Reads an `.npz` file or a `.muse` folder, and checks it against what it says of itself.

    Raises:
        DataError: For another spelling, and for whatever is wrong inside.
    """
    data = read_raw(path, ignore_prefixes)
    for name, array in data.steps.items():
        check_finite(array, f"{data.where}: '{name}'")
    return data


def read_raw(path: str | os.PathLike[str], ignore_prefixes: tuple[str, ...] = (), on_error: OnError = raise_error) -> EpisodeData:
    """Like `read_file`, but numbers may be NaN or infinite, and a check may go on after what is wrong.

    Args:
        on_error: Is given what is wrong. When it returns, reading goes on without that; what leaves nothing to read is raised in any
            case.

    Raises:
        DataError: As `read_file`.
    """
    data = format_of(path).read(path, ignore_prefixes, on_error)
    arrays = {**data.steps, **data.onetime}
    for leaf in data.meta.get("spec", {}).get("leaves", ()):
        name = leaf["name"]
        if name.startswith(ignore_prefixes) or name in ("done", "rollout_timestep"):
            continue
        label = f"{data.where}: '{name}'"
        if name not in arrays:
            expected = "an array of that name: the file's own spec lists it"
            on_error(DataError(label, "missing", expected, "copy or collect it again"))
            continue
        came, wanted = (arrays[name].shape[1:], arrays[name].dtype), (tuple(leaf["shape"]), np.dtype(leaf["dtype"]))
        if came != wanted:
            on_error(DataError(label, f"shape {came[0]} {came[1]}", f"{wanted[0]} {wanted[1]}, as the file's own spec says"))
    return data


def write_file(path: str | os.PathLike[str], data: EpisodeData) -> None:
    """Writes an `.npz` file or a `.muse` folder.

    Raises:
        DataError: For another spelling.
    """
    format_of(path).write(path, data)


def check_data(data: EpisodeData, spec: EnvSpec, step_names: Iterable[str], onetime_names: Iterable[str]) -> EpisodeData:
    """Returns `data` reduced to the names asked for, in the spec's types.

    A one-time name that a file keeps as `(N, *shape)` is reduced to its first row in each episode (last, for a final).

    Raises:
        DataError: For a name that is missing, a wrong shape or type, NaN or infinity; names the file, the name and the row.
    """
    onetime_names = tuple(onetime_names)
    steps, onetime = dict(data.steps), dict(data.onetime)
    if data.num_rows == len(data.ends):
        steps = {**onetime, **steps}
    first = data.ends - np.diff(data.ends, prepend=0)
    for name in onetime_names:
        if name not in onetime and name in steps:
            onetime[name] = steps[name][data.ends - 1 if spec.leaf(name).role == "final" else first]
    chosen = {name: _check_array(steps, name, spec.leaf(name), data, "N") for name in step_names}
    chosen_onetime = {name: _check_array(onetime, name, spec.leaf(name), data, "E") for name in onetime_names}
    for name, array in chosen_onetime.items():
        check_finite(array, f"{data.where}: '{name}'")
    for name in spec.action_names:
        if name in chosen:
            _warn_of_outside(chosen[name], spec.leaf(name), f"{data.where}: '{name}'")
    return EpisodeData(chosen, chosen_onetime, data.ends, data.meta, data.where)


def _warn_of_outside(rows: np.ndarray, leaf: Leaf, label: str) -> None:
    """Warns of actions `(N, *shape)` beyond the spec's limits: a policy clips to these and can never repeat them."""
    slack = 1e-4 * np.where(np.isfinite(leaf.high - leaf.low), leaf.high - leaf.low, 0.0)
    for begin, part in parts_of(rows):
        outside = ((part < leaf.low - slack) | (part > leaf.high + slack)).reshape(len(part), -1).any(axis=1)
        if outside.any():
            got = f"values from {part.min():.4g} to {part.max():.4g}, first in row {begin + int(np.argmax(outside))}"
            limits = f"[{leaf.low.min():.4g}, {leaf.high.max():.4g}]"
            _log.warning("%s: %s; the spec's limits are %s, to which a policy clips its actions", label, got, limits)
            return


def _check_array(arrays: Mapping[str, np.ndarray], name: str, leaf: Leaf, data: EpisodeData, lead: str) -> np.ndarray:
    label = f"{data.where}: '{name}'"
    wanted = f"({', '.join([lead, *map(str, leaf.shape)])}{'' if leaf.shape else ','})"
    if name not in arrays:
        got = "a row per episode" if name in data.onetime else f"missing{nearest(name, arrays)}"
        there = "names there: " + (", ".join(sorted((*data.steps, *data.onetime))) or "none")
        raise DataError(label, got, f"{wanted} {leaf.dtype}", there)
    array = arrays[name]
    if array.shape[1:] != leaf.shape:
        if array.ndim != 1 or leaf.shape != (1,):
            raise DataError(label, f"shape {array.shape}", wanted)
        array = array[:, None]
    return to_type(array, leaf.dtype, label)


def join_splits(metas: Sequence[Mapping[str, Any]], counts: Sequence[int]) -> dict[str, list[int]]:
    """Returns the named splits of several files as numbers of the joined episodes; `metas` and `counts` as for `join_meta`."""
    joined: dict[str, list[int]] = {}
    for first, meta in zip(np.cumsum([0, *counts]).tolist(), metas, strict=False):
        for name, numbers in meta.get("splits", {}).items():
            joined.setdefault(name, []).extend(first + number for number in numbers)
    return joined


def join_meta(metas: Sequence[Mapping[str, Any]], counts: Sequence[int]) -> dict[str, Any]:
    """Returns what a dataset remembers of the meta data of its files: that of the first, and splits as numbers of the joined episodes.

    Args:
        metas: Meta data of each file.
        counts: Number of episodes of each.
    """
    joined = {key: value for meta in metas[:1] for key, value in meta.items() if key not in ("spec", "version")}
    if len(metas) > 1:
        joined["splits"] = join_splits(metas, counts)
        # Of each file, so that none can come from elsewhere unseen.
        joined["fingerprints"] = [one for meta in metas for one in meta.get("fingerprints", [meta.get("fingerprint", {})])]
    return joined


def numbers_of_split(splits: Mapping[str, Sequence[int]], split: str, count: int, where: str) -> np.ndarray:
    """Returns the episodes of a named split.

    Raises:
        DataError: When there is no such split, or it lists an episode that is not among the `count` there.
    """
    label = f"{where}: split '{split}'"
    if split not in splits:
        raise DataError(label, f"not there{nearest(split, splits)}", "one of " + (", ".join(splits) or "none"))
    wrong = [number for number in splits[split] if not 0 <= number < count]
    if wrong:
        raise DataError(label, f"episode {wrong[0]}, which is not there", f"numbers below {count}")
    return np.asarray(splits[split], np.int64)
