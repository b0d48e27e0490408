"""What loads, and may still be wrong: each check looks at one kind of thing and yields warnings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import numpy as np

from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.numbers import parts_of, rows_all
from muse.datasets.tools.findings import Finding, place_of
from muse.datasets.tools.specs import arrays_spec
from muse.datasets.tools.summary import LARGE_ROW_ELEMENTS
from muse.specs import Leaf

_LISTED = 8
#: An element that lies beyond the middle 98% of its values by so many times their width is an outlier; a change from a row to the next
#: that is so many times the one that 99% stay below is a jump.
_OUTLIER_WIDTHS, _JUMP_TIMES = 10.0, 20.0
#: Share of the rows at a limit from which an action counts as saturated.
_SATURATED = 0.3
#: Pictures that follow one another unchanged: so many at once, or that share of all.
_STILL_RUN, _STILL_SHARE = 10, 0.3
_BLACK_BELOW = 8
#: Quaternions are looked for in the first elements of a vector.
_MAX_VECTOR = 64


def _listed(numbers: np.ndarray | list[int]) -> str:
    shown = ", ".join(map(str, list(numbers)[:_LISTED]))
    return shown + (" ..." if len(numbers) > _LISTED else "")


def _element(leaf: Leaf, flat: int) -> str:
    if leaf.shape in ((), (1,)):
        return ""
    return f"element {list(map(int, np.unravel_index(flat, leaf.shape)))}: "


def _leaves(data: EpisodeData, roles: tuple[str, ...], kinds: str) -> Iterator[tuple[Leaf, np.ndarray]]:
    """Yields the step names of these roles with numbers of these kinds, and rows of moderate size: not pictures."""
    for leaf in map(arrays_spec(data).leaf, data.steps):
        array = data.steps[leaf.name]
        if (
            leaf.role in roles
            and array.dtype.kind in kinds
            and array.shape[1:] == leaf.shape
            and 0 < leaf.size <= LARGE_ROW_ELEMENTS
        ):
            yield leaf, array


def _is_picture(array: np.ndarray) -> bool:
    return array.dtype == np.uint8 and array.ndim == 4 and min(array.shape) > 0


def check_meta(data: EpisodeData, file: str) -> Iterator[Finding]:
    """A file that does not say what its names are, or of other episodes than it holds."""
    collection = data.meta.get("collection")
    kept = collection.get("kept") if isinstance(collection, dict) else None
    if isinstance(kept, list) and len(kept) != len(data.ends):
        yield Finding(file, "", f"collected with seeds of {len(kept)} episodes", f"{len(data.ends)}, as there are")
    if "spec" not in data.meta:
        yield Finding(file, "", "no spec in it: roles, units and limits of names are not known", hint="muse data relabel, --role")
        return
    listed = {leaf["name"] for leaf in data.meta["spec"].get("leaves", ())}
    for name in sorted({*data.steps, *data.onetime} - listed):
        yield Finding(file, name, "not in the file's own spec")


def check_splits(data: EpisodeData, file: str) -> Iterator[Finding]:
    """Splits with episodes that are not there, or there twice; splits for training and holdout that share some."""
    splits = data.meta.get("splits", {})
    for name, split in splits.items():
        unknown = [number for number in split if not 0 <= number < len(data.ends)]
        if unknown:
            expected = f"numbers below {len(data.ends)}"
            yield Finding(file, "", f"split '{name}' names episodes that are not there: {_listed(unknown)}", expected)
        if len(set(split)) < len(split):
            yield Finding(file, "", f"split '{name}' names episodes twice")
    for name, split in splits.items():
        for other in splits:
            shared = sorted(set(split) & set(splits[other]))
            if name < other and shared and {"train"} & {name, other}:
                yield Finding(file, "", f"splits '{name}' and '{other}' share episodes: {_listed(shared)}", "none to be shared")


def check_episodes(data: EpisodeData, file: str) -> Iterator[Finding]:
    """Episodes of one row, and `truncated` before an end."""
    short = np.flatnonzero(np.diff(data.ends, prepend=0) == 1)
    if len(short):
        yield Finding(file, "", f"{len(short)} episodes of one row: {_listed(short)}", episode=int(short[0]))
    truncated = data.steps.get("truncated")
    if truncated is not None and truncated.size == data.num_rows and truncated.dtype.kind in "biu":
        early = np.flatnonzero((np.ravel(truncated) != 0) & ~data.done())
        if len(early):
            yield Finding(file, "truncated", f"true before the end in {len(early)} rows", "", "", *place_of(data, int(early[0])))


def check_duplicates(data: EpisodeData, file: str) -> Iterator[Finding]:
    """Episodes that are equal in every name but pictures; in pictures, where there is nothing else."""
    small = [array for array in data.steps.values() if array[:1].size <= LARGE_ROW_ELEMENTS]
    seen: dict[bytes, int] = {}
    begin = 0
    for index, end in enumerate(data.ends.tolist()):
        digest = hashlib.blake2b(f"{end - begin}".encode())
        for array in small or data.steps.values():
            digest.update(array[begin:end].tobytes())
        first = seen.setdefault(digest.digest(), index)
        if first != index:
            yield Finding(file, "", f"the same as episode {first}", "each episode once", episode=index)
        begin = end


def check_limits(data: EpisodeData, file: str) -> Iterator[Finding]:
    """Actions beyond the spec's limits, to which a policy clips its own, and actions that lie at a limit much of the time."""
    for leaf, array in _leaves(data, ("action",), "fiu"):
        slack = 1e-4 * np.where(np.isfinite(leaf.high - leaf.low), leaf.high - leaf.low, 0.0)
        beyond, first, at_limit = 0, -1, np.zeros(leaf.shape)
        for begin, part in parts_of(array):
            outside = ((part < leaf.low - slack) | (part > leaf.high + slack)).reshape(len(part), -1).any(axis=1)
            if outside.any():
                first = first if first >= 0 else begin + int(np.argmax(outside))
                beyond += int(outside.sum())
            at_limit += ((part <= leaf.low + slack) | (part >= leaf.high - slack)).sum(axis=0)
        if beyond:
            limits = f"[{leaf.low.min():.4g}, {leaf.high.max():.4g}]"
            text = f"beyond the limits in {beyond} of {len(array)} rows, from {array.min():.4g} to {array.max():.4g}"
            yield Finding(file, leaf.name, text, f"within {limits}", "", *place_of(data, first))
        if array.dtype.kind != "f":
            continue
        for flat in np.flatnonzero(np.ravel(at_limit) > _SATURATED * len(array)).tolist():
            # What opens and closes, a gripper, has no values between.
            if len(np.unique(array.reshape(len(array), -1)[:, flat])) > 3:
                share = np.ravel(at_limit)[flat] / len(array)
                yield Finding(file, leaf.name, f"{_element(leaf, flat)}at a limit in {share:.0%} of the rows")


def check_constants(data: EpisodeData, file: str) -> Iterator[Finding]:
    """Observations, goals and actions that never change."""
    if data.num_rows < 2:
        return
    for leaf, array in _leaves(data, ("observation", "goal", "action"), "fiub"):
        low = np.min([part.min(axis=0) for _, part in parts_of(array)], axis=0)
        high = np.max([part.max(axis=0) for _, part in parts_of(array)], axis=0)
        constant = np.flatnonzero(np.ravel(low == high))
        if len(constant) == leaf.size:
            yield Finding(file, leaf.name, f"constant: {_listed(np.ravel(low).tolist())} in all rows")
        elif len(constant):
            places = [_element(leaf, flat).removeprefix("element ").removesuffix(": ") for flat in constant[:_LISTED].tolist()]
            more = " ..." if len(constant) > _LISTED else ""
            yield Finding(file, leaf.name, f"{len(constant)} of {leaf.size} elements are constant: {', '.join(places)}{more}")


def check_outliers(data: EpisodeData, file: str) -> Iterator[Finding]:
    """Single values far from all others, and jumps from a row to the next."""
    inside = ~data.done()[:-1]
    for leaf, array in _leaves(data, ("observation", "goal", "action"), "f"):
        flat_rows = array.reshape(len(array), -1)
        for flat in range(leaf.size):
            column = np.asarray(flat_rows[:, flat], np.float64)
            low, high = np.percentile(column, (1, 99))
            far = np.flatnonzero(np.maximum(low - column, column - high) > _OUTLIER_WIDTHS * (high - low))
            if len(far) and high > low:
                row = int(far[0])
                text = f"{_element(leaf, flat)}{len(far)} outliers, the first {column[row]:.4g}"
                yield Finding(
                    file, leaf.name, text, f"98% of the values lie in [{low:.4g}, {high:.4g}]", "", *place_of(data, row)
                )
            if leaf.role == "action" or _is_quaternion(leaf) or not inside.any():
                continue
            change = np.where(inside, np.abs(np.diff(column)), 0.0)
            usual = np.percentile(change[change > 0], 99) if (change > 0).sum() >= 100 else 0.0
            jumps = np.flatnonzero(change > _JUMP_TIMES * usual) if usual else np.zeros(0, np.int64)
            if len(jumps):
                row = int(jumps[0]) + 1
                text = f"{_element(leaf, flat)}{len(jumps)} jumps, the first by {change[row - 1]:.4g}"
                yield Finding(file, leaf.name, text, f"99% of the changes are below {usual:.4g}", "", *place_of(data, row))


def _is_quaternion(leaf: Leaf) -> bool:
    return leaf.shape[-1:] == (4,) and ("quat" in leaf.name.lower() or "quaternion" in leaf.description.lower())


def check_quaternions(data: EpisodeData, file: str) -> Iterator[Finding]:
    """Quaternions whose norm is not 1, and those that change sign from a row to the next: the same rotation, far away in numbers."""
    inside = ~data.done()[:-1]
    for leaf, array in _leaves(data, ("observation", "goal", "action", ""), "f"):
        if _is_quaternion(leaf):
            rows = np.asarray(array, np.float64).reshape(len(array), -1, 4)
            norm = np.linalg.norm(rows, axis=-1)
            wrong = np.flatnonzero((np.abs(norm - 1) > 0.01).any(axis=1))
            if len(wrong):
                text = f"a norm that is not 1 in {len(wrong)} rows, from {norm.min():.4g} to {norm.max():.4g}"
                yield Finding(file, leaf.name, text, "unit quaternions", "", *place_of(data, int(wrong[0])))
            found = [("", rows)]
        else:
            found = [
                (f"elements [{i}:{i + 4}], a quaternion by their norm: ", rows[:, None]) for i, rows in _hidden_quaternions(array)
            ]
        for what, rows in found:
            flips = np.flatnonzero(inside & ((rows[1:] * rows[:-1]).sum(axis=-1) < 0).any(axis=1))
            if len(flips):
                text = f"{what}changes its sign in {len(flips)} rows: q and -q are one rotation, and far apart for a model"
                yield Finding(file, leaf.name, text, "", "", *place_of(data, int(flips[0]) + 1))


def _hidden_quaternions(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yields where four elements in a row of a vector have a norm of 1 in every row, and those elements `(N, 4)`."""
    begin = 0
    while array.ndim == 2 and begin + 4 <= min(array.shape[1], _MAX_VECTOR):
        some = np.asarray(array[:: max(1, len(array) // 256), begin : begin + 4], np.float64)
        if (np.abs(np.linalg.norm(some, axis=1) - 1) < 1e-3).all() and (some.std(axis=0) > 1e-3).sum() > 1:
            rows = np.asarray(array[:, begin : begin + 4], np.float64)
            if (np.abs(np.linalg.norm(rows, axis=1) - 1) < 1e-3).all():
                yield begin, rows
                begin += 3
        begin += 1


def check_pictures(data: EpisodeData, file: str) -> Iterator[Finding]:
    """Pictures that are black or of one colour, and those that do not change."""
    for name, array in data.steps.items():
        if not _is_picture(array):
            continue
        dark, flat, still = [], [], np.zeros(len(array), bool)
        before: np.ndarray | None = None
        for begin, part in parts_of(array):
            low, high = (reduce(part.reshape(len(part), -1), axis=1) for reduce in (np.min, np.max))
            dark += (begin + np.flatnonzero(high < _BLACK_BELOW)).tolist()
            flat += (begin + np.flatnonzero((low == high) & (high >= _BLACK_BELOW))).tolist()
            shown = part if before is None else np.concatenate([before, part])
            same = rows_all(shown[1:] == shown[:-1])
            still[begin + len(part) - len(same) : begin + len(part)] = same
            before = part[-1:]
        for rows, what in ((dark, "black"), (flat, "of one colour")):
            if rows:
                yield Finding(file, name, f"{len(rows)} of {len(array)} pictures are {what}", "", "", *place_of(data, rows[0]))
        # The first picture of an episode follows none.
        still[(data.ends - np.diff(data.ends, prepend=0))] = False
        changes = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(np.int8), [0]])))
        runs = changes[1::2] - changes[::2]
        if len(runs) and (runs.max() >= _STILL_RUN or still.mean() > _STILL_SHARE):
            row = int(changes[::2][np.argmax(runs)])
            text = (
                f"{int(still.sum())} of {len(array)} pictures are the same as the one before, {int(runs.max())} in a row at most"
            )
            yield Finding(file, name, text, "", "", *place_of(data, row))


#: In the order in which they are reported.
CHECKS: tuple[Callable[[EpisodeData, str], Iterator[Finding]], ...] = (
    check_meta, check_splits, check_episodes, check_duplicates, check_limits, check_constants, check_outliers, check_quaternions,
    check_pictures,
)  # fmt: skip
