"""New datasets from those that are there: some of their episodes, several in one, other names, and named splits."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.robomimic.meta import BLOCK
from muse.datasets.loading import format_of, join_splits
from muse.datasets.tools.expressions import Expression
from muse.datasets.tools.opening import open_data
from muse.datasets.tools.specs import check_same_specs
from muse.datasets.tools.values import EpisodeValues
from muse.datasets.tools.writing import check_target, joined_origin, meta_of_chosen, parts_of_episodes, with_spec, write_parts
from muse.utils.errors import OptionError
from muse.utils.seeding import make_generator

_log = logging.getLogger(__name__)

#: Is told how many episodes are done.
Tell = Callable[[int], Any]


def tell_nobody(done: int) -> None:
    """Does nothing."""


def choose_episodes(data: EpisodeData, where: str, progress: Tell = tell_nobody) -> np.ndarray:
    """Returns the numbers of the episodes for which an expression holds, int64.

    Raises:
        ExpressionError: For an expression that is none, or does not fit the data.
    """
    condition = Expression(where, "--where")
    values = EpisodeValues.of(data, condition)
    chosen = []
    for index in range(len(data.ends)):
        if condition.is_true(lambda name, index=index: values.get(index, name)):
            chosen.append(index)
        progress(index + 1)
    return np.asarray(chosen, np.int64)


def filter_data(
    data: EpisodeData, target: str | os.PathLike[str], where: str, overwrite: bool = False, progress: Tell = tell_nobody
) -> np.ndarray:
    """Writes the episodes for which an expression holds; splits and seeds of a collection follow.

    Args:
        data: Episodes; NaN and infinity are allowed, so that episodes with them can be left out.
        target: A new `.npz` file or `.muse` folder.
        where: See `muse.datasets.tools.expressions.LANGUAGE`.
        overwrite: Replace what is at `target`.
        progress: Is told how many episodes were looked at.

    Returns:
        The numbers of the episodes that were kept.

    Raises:
        ExpressionError: For an expression that is none, or does not fit the data.
        DataError: When `target` is taken, or no episode is left.
    """
    path = check_target(target, [data.where], overwrite)
    chosen = choose_episodes(data, where, progress)
    if not len(chosen):
        raise DataError(data.where, f"no episode of {len(data.ends)} fulfils the condition", "at least one")
    write_parts(path, parts_of_episodes(data, chosen), meta_of_chosen(data, chosen))
    return chosen


def merge_data(
    parts: Sequence[EpisodeData],
    target: str | os.PathLike[str],
    allow_mismatch: bool = False,
    overwrite: bool = False,
    progress: Tell = tell_nobody,
) -> EpisodeData:
    """Writes the episodes of several datasets, one after another. Splits of one name are joined; seeds of collections are dropped.

    Args:
        parts: Datasets of one spec: names, shapes, types, units, roles, limits.
        target: A new `.npz` file or `.muse` folder.
        allow_mismatch: Also where the fingerprints of the environments differ; each is kept in `_meta` under `fingerprints`.
        overwrite: Replace what is at `target`.
        progress: Is told how many episodes are written.

    Returns:
        What was written, without its arrays.

    Raises:
        DataError: For specs or fingerprints that differ, and when `target` is taken.
    """
    path = check_target(target, [part.where for part in parts], overwrite)
    check_same_specs(parts)
    fingerprints = [fingerprint for part in parts for fingerprint in fingerprints_of(part)]
    for part in parts:
        if any(other != fingerprints[0] for other in fingerprints_of(part)) and not allow_mismatch:
            got = f"made in another environment, or another version of it, than {parts[0].where}"
            raise DataError(part.where, got, "the same fingerprint", "allow_mismatch, where it makes no difference")
    if len(parts) == 1 and len(parts[0].ends):
        # The same episodes in another form: whatever is said of them still holds.
        return write_parts(path, parts_of_episodes(parts[0], range(len(parts[0].ends))), with_spec(parts[0]), progress)
    meta: dict[str, Any] = {key: value for key, value in with_spec(parts[0]).items() if key in ("spec", "fingerprint")}
    if any("splits" in part.meta for part in parts):
        meta["splits"] = join_splits([part.meta for part in parts], [len(part.ends) for part in parts])
    if any(other != fingerprints[0] for other in fingerprints):
        # As a dataset of several files has them: each is compared with the environment in use.
        meta["fingerprints"] = fingerprints
    collections = [part.meta.get("collection") for part in parts]
    if all(isinstance(one, dict) and one.get("only_successful") is True for one in collections):
        meta["collection"] = {"only_successful": True}
    if (origin := joined_origin(parts)) is not None:
        meta[BLOCK] = origin
    elif any(BLOCK in part.meta for part in parts):
        _log.warning("%s: not all of one environment of robomimic; its env_args and model files are left out", target)
    meta["merged"] = [{"file": part.where, "episodes": len(part.ends)} for part in parts]
    pieces = chain.from_iterable(parts_of_episodes(part, range(len(part.ends))) for part in parts if len(part.ends))
    first = next(pieces, None)
    if first is None:
        raise DataError(str(target), "no episodes in any of them", "at least one")
    return write_parts(path, chain([first], pieces), meta, progress)


def fingerprints_of(data: EpisodeData) -> list[dict[str, Any]]:
    """Returns the fingerprints of the environments that the episodes come from; an empty one where it is not known."""
    several = data.meta.get("fingerprints")
    return several if isinstance(several, list) and several else [data.meta.get("fingerprint") or {}]


def draw_holdout(count: int, share: float, seed: int) -> dict[str, list[int]]:
    """Returns the splits `train` and `holdout` of `count` episodes: a share drawn by a seed, numbers in order.

    Raises:
        OptionError: For a share outside of 0 and 1, or too few episodes for two splits.
    """
    if not 0 < share < 1:
        raise OptionError("--holdout", f"{share:g}", "a share between 0 and 1")
    if count < 2:
        raise OptionError("--holdout", f"{count} episodes", "two at least, one for each split")
    number = min(max(1, round(share * count)), count - 1)
    holdout = make_generator(seed, "holdout").permutation(count)[:number]
    return {"train": sorted({*range(count)} - {*holdout.tolist()}), "holdout": sorted(holdout.tolist())}


def parse_split(text: str, count: int, where: str) -> list[int]:
    """Returns the episodes that `0:90`, `90:`, `7` or several of them with commas name.

    Raises:
        OptionError: For anything else, and for episodes that are not there.
    """
    numbers: list[int] = []
    for piece in text.split(","):
        begin, colon, end = piece.strip().partition(":")
        try:
            low = int(begin) if begin or not colon else 0
            high = (int(end) if end else count) if colon else low + 1
        except ValueError:
            raise OptionError(where, f"'{piece}'", "episodes such as 0:90, 90:, 7 or 0:10,20:30") from None
        if not 0 <= low < high <= count:
            raise OptionError(
                where, f"'{piece}', of {count} episodes", f"numbers from 0 to {count - 1}, the end of a range one more"
            )
        numbers.extend(range(low, high))
    if len(set(numbers)) < len(numbers):
        raise OptionError(where, f"'{text}' names an episode twice", "each once")
    return numbers


def write_splits(path: str | os.PathLike[str], splits: Mapping[str, Sequence[int]], overwrite: bool = False) -> None:
    """Writes named splits into a dataset's meta data, beside those that are there. Arrays of a `.muse` folder are not touched.

    Args:
        path: The dataset.
        splits: Episode numbers by name.
        overwrite: Replace splits of the same name.

    Raises:
        DataError: For a name that is taken without `overwrite`.
    """
    meta = open_data(path, finite=False).meta
    there = meta.get("splits", {})
    taken = sorted(set(there) & set(splits))
    if taken and not overwrite:
        raise DataError(f"{path}: split '{taken[0]}'", "is there already", "a new name", "--overwrite to replace it")
    numbers = {name: [int(number) for number in split] for name, split in splits.items()}
    format_of(path).write_meta(path, {**meta, "splits": {**there, **numbers}})
