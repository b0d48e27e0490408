"""Episodes chosen from others, written a part at a time: a folder larger than memory is never in it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats import folder
from muse.datasets.formats.episode_data import EpisodeData, join_parts, role_by_name
from muse.datasets.formats.npz import physical_memory
from muse.datasets.formats.robomimic.meta import BLOCK, Origin
from muse.datasets.loading import format_of, write_file
from muse.datasets.tools.specs import arrays_spec
from muse.utils.files import format_bytes, overlap

#: Bytes of a part; an episode that is larger is a part of its own.
PART_BYTES = 2**26


def check_target(target: str | os.PathLike[str], sources: Iterable[str | os.PathLike[str]], overwrite: bool) -> Path:
    """Returns the path of a dataset to write.

    Raises:
        DataError: For a name that is not Muse's, one that is taken without `overwrite`, and a source, a place in one, or the folder of one.
    """
    path = Path(target)
    format_of(path)
    for problem in (overlap(source, path) for source in sources):
        if problem:
            raise DataError(str(path), problem, "a new name for what is made of it")
    if path.exists() and not overwrite:
        raise DataError(str(path), "is there already", "a new name", "--overwrite to replace it")
    return path


def parts_of_episodes(data: EpisodeData, numbers: Sequence[int] | np.ndarray) -> Iterator[EpisodeData]:
    """Yields the episodes of these numbers, in that order, a part at a time.

    Args:
        data: Episodes; arrays may be mapped from files.
        numbers: Episodes of it.
    """
    chosen = np.asarray(numbers, np.int64)
    lengths = np.diff(data.ends, prepend=0)
    row_bytes = sum(array[:1].nbytes for array in data.steps.values())
    # A part per started `PART_BYTES`, and at least one, so that a dataset without episodes has names too.
    sizes = np.cumsum(lengths[chosen] * max(1, row_bytes)) // PART_BYTES
    cuts = [*np.flatnonzero(np.diff(sizes)) + 1, len(chosen)]
    begin = 0
    for end in cuts:
        some = chosen[begin:end]
        rows = [slice(int(data.ends[i] - lengths[i]), int(data.ends[i])) for i in some]
        steps = {name: _take(array, rows) for name, array in data.steps.items()}
        onetime = {name: np.asarray(array[some]) for name, array in data.onetime.items()}
        yield EpisodeData(steps, onetime, np.cumsum(lengths[some]), data.meta, data.where)
        begin = end


def _take(array: np.ndarray, rows: Sequence[slice]) -> np.ndarray:
    """Returns the rows of several episodes, a view where they follow one another."""
    if not rows:
        return array[:0]
    if all(before.stop == after.start for before, after in itertools.pairwise(rows)):
        return array[rows[0].start : rows[-1].stop]
    return np.concatenate([array[one] for one in rows])


def write_parts(
    target: str | os.PathLike[str],
    parts: Iterable[EpisodeData],
    meta: Mapping[str, Any],
    progress: Callable[[int], Any] = lambda done: None,
) -> EpisodeData:
    """Writes parts, one after another, as one dataset; a crash leaves what was at `target` before, or all of the new one.

    A `.muse` folder grows by parts. An `.npz` file is held in memory, as it is when it is read.

    Args:
        target: Where to; what is there is replaced.
        parts: At least one, all of the same names, shapes and types.
        meta: The meta data.
        progress: Is told how many episodes are written.

    Returns:
        What was written, without its arrays.

    Raises:
        DataError: For parts that differ, and for an `.npz` file that is larger than the memory.
    """
    done, ends = 0, np.zeros(0, np.int64)
    if Path(target).suffix == ".muse":
        with folder.replacing(target) as temporary:
            place = temporary / "whole.muse"
            for part in parts:
                folder.append(place, EpisodeData(part.steps, part.onetime, part.ends, meta, part.where))
                ends = np.concatenate([ends, part.ends + (ends[-1] if len(ends) else 0)])
                progress(done := done + len(part.ends))
            for file in place.iterdir():
                file.rename(temporary / file.name)
            place.rmdir()
        return EpisodeData({}, {}, ends, meta, str(target))
    held: list[EpisodeData] = []
    size = 0
    for part in parts:
        size += sum(array.nbytes for array in (*part.steps.values(), *part.onetime.values()))
        if size > physical_memory():
            raise DataError(str(target), f"more than {format_bytes(size)}", "what fits into memory", "a name that ends in .muse")
        held.append(part)
        progress(done := done + len(part.ends))
    whole = join_parts(held, meta, str(target))
    write_file(target, whole)
    return EpisodeData({}, {}, whole.ends, meta, str(target))


def with_spec(data: EpisodeData) -> dict[str, Any]:
    """Returns the meta data, with a spec where only that tells one-time names from others: lengths do not in every new dataset."""
    if "spec" in data.meta or all(role_by_name(name) for name in data.onetime):
        return dict(data.meta)
    return {**data.meta, "spec": arrays_spec(data).to_dict()}


def joined_origin(parts: Sequence[EpisodeData]) -> dict[str, Any] | None:
    """Returns where all episodes of several datasets came from; None where that is not robomimic, not all of one environment, or not known.

    Episodes are numbered anew where two have one name.
    """
    origins = [Origin.from_meta(part.meta, part.where) for part in parts]
    first = origins[0]
    for part, origin in zip(parts, origins, strict=True):
        same = (origin.attributes, origin.names, origin.flat) == (first.attributes, first.names, first.flat)
        if not same or not origin.demos or origin.lengths != np.diff(part.ends, prepend=0).tolist():
            return None
    demos, lengths, attributes = (
        list(itertools.chain.from_iterable(getattr(origin, key) for origin in origins))
        for key in ("demos", "lengths", "demo_attributes")
    )
    if len(set(demos)) < len(demos):
        demos = [f"{first.demos[0].rstrip('0123456789')}{number}" for number in range(len(demos))]
    return Origin(demos, lengths, first.attributes, attributes, first.names, first.flat).to_block()


def meta_of_chosen(data: EpisodeData, numbers: Sequence[int] | np.ndarray) -> dict[str, Any]:
    """Returns the meta data for some of the episodes: what it says of each episode is said of those that are left.

    Splits are renumbered; an episode that has left leaves its splits. What else is known per episode are the seeds of a collection and
    what came with robomimic's demonstrations.
    """
    chosen = [int(number) for number in numbers]
    place = {number: i for i, number in enumerate(chosen)}
    meta = with_spec(data)
    if "splits" in meta:
        meta["splits"] = {name: [place[n] for n in split if n in place] for name, split in meta["splits"].items()}
    collection = meta.get("collection")
    if isinstance(collection, dict) and isinstance(kept := collection.get("kept"), list):
        if len(kept) == len(data.ends):
            meta["collection"] = {**collection, "kept": [kept[number] for number in chosen]}
        else:
            del meta["collection"]
    if BLOCK in meta:
        origin = Origin.from_meta(meta, data.where)
        if origin.lengths == np.diff(data.ends, prepend=0).tolist():
            some = {key: [getattr(origin, key)[number] for number in chosen] for key in ("demos", "lengths", "demo_attributes")}
            meta[BLOCK] = Origin(**some, attributes=origin.attributes, names=origin.names, flat=origin.flat).to_block()
        else:
            del meta[BLOCK]
    return meta
