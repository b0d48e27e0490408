"""Windows around interactions, for data in which most of the time nothing is touched (play)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.windows import Segments
from muse.specs import EnvSpec
from muse.utils.abstract import Argument, BaseClass
from muse.utils.errors import nearest


class InteractionWindows(BaseClass):
    """Chooses the windows that lie in interactions.

    A *contact* is a run of rows in which the name `contact` is not zero; gaps of up to `join_gap` rows belong to it, and a run of
    less than `min_length` rows is none. Its *interaction* has `before` rows more before it and `after` rows more behind it, as
    many as there are before the contacts next to it and the ends of the episode. Windows lie in one interaction as they
    otherwise lie in one episode; padding repeats its first and last row. The goal at its end: `GoalRelabelling` with
    `choose="last"` and `within="interaction"`.

    Args:
        params: The options.
        env_spec: Knows the name.

    Raises:
        DataError: For an option or a name that is wrong.
    """

    predefined_arguments = [
        Argument("contact", type=str, required=True, help="step name that is not zero where there is contact"),
        Argument("contact_fn", help="fn(rows (N, *shape)) -> (N,) bool, true where there is contact; none: any element not zero"),
        Argument("before", type=int, default=0, help="rows of an interaction before the contact", unit="rows"),
        Argument("after", type=int, default=0, help="rows of an interaction behind the contact", unit="rows"),
        Argument("join_gap", type=int, default=0, help="contacts that are at most so many rows apart are one", unit="rows"),
        Argument("min_length", type=int, default=1, help="contacts that are shorter are none", unit="rows"),
    ]

    contact: str
    contact_fn: Callable[[np.ndarray], np.ndarray] | None
    before: int
    after: int
    join_gap: int
    min_length: int

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        self.read_predefined_params(params)
        for name in ("before", "after", "join_gap", "min_length"):
            if getattr(self, name) < 0:
                raise DataError(f"InteractionWindows: '{name}'", str(getattr(self, name)), "0 rows or more")
        if self.contact not in env_spec.names:
            got = f"'{self.contact}'{nearest(self.contact, env_spec.names)}"
            raise DataError("InteractionWindows: 'contact'", got, "a step name: " + ", ".join(env_spec.names))

    def find(self, rows: np.ndarray, ends: np.ndarray) -> Segments:
        """Returns the interactions of some episodes.

        Args:
            rows: `(N, *shape)`, all rows of the name `contact`.
            ends: `(E,)` int64, the row after each episode's last.

        Raises:
            DataError: When the function returns something else than a bool for each row.
        """
        ends = np.asarray(ends, np.int64)
        touching = self._touching(rows)
        # An untouched row behind every episode keeps contacts of two episodes apart.
        count, apart = len(touching), np.arange(len(ends))
        padded = np.zeros(count + len(ends) + 1, bool)
        row_at = np.arange(count) + np.repeat(apart, np.diff(ends, prepend=0)) + 1
        padded[row_at] = touching
        begin, end = np.flatnonzero(padded[1:] & ~padded[:-1]), np.flatnonzero(padded[:-1] & ~padded[1:])
        # Back to rows of the episodes: as many were put before a row as its episode's number.
        episodes = np.searchsorted(ends + apart, begin, side="right")
        begin, end = begin - episodes, end - episodes
        begin, end, episodes = self._joined(begin, end, episodes)
        long = end - begin >= self.min_length
        begin, end, episodes = begin[long], end[long], episodes[long]
        first, last = (ends - np.diff(ends, prepend=0))[episodes], ends[episodes]
        same = episodes[1:] == episodes[:-1]
        first[1:] = np.where(same, end[:-1], first[1:])
        last[:-1] = np.where(same, begin[1:], last[:-1])
        begin, end = np.maximum(begin - self.before, first), np.minimum(end + self.after, last)
        return Segments(begin, end - begin, episodes)

    def _joined(self, begin: np.ndarray, end: np.ndarray, episodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        goes_on = (begin[1:] - end[:-1] <= self.join_gap) & (episodes[1:] == episodes[:-1])
        if not len(begin):
            return begin, end, episodes
        begins, ends = np.append(True, ~goes_on), np.append(~goes_on, True)
        return begin[begins], end[ends], episodes[begins]

    def _touching(self, rows: np.ndarray) -> np.ndarray:
        if self.contact_fn is None:
            if rows.dtype.kind not in "iufb":
                raise DataError(f"InteractionWindows: '{self.contact}'", f"dtype {rows.dtype}", "numbers", "a 'contact_fn'")
            return (rows != 0).reshape(len(rows), -1).any(axis=1)
        found = np.asarray(self.contact_fn(rows))
        if found.shape != (len(rows),) or found.dtype != bool:
            got = f"shape {found.shape} {found.dtype}"
            raise DataError("InteractionWindows: 'contact_fn'", f"returned {got}", f"({len(rows)},) bool, one for each row")
        return found
