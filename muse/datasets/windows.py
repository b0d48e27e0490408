"""Which rows each window holds.

A window is `H` rows of one episode, `skip` rows apart. Its start runs over all rows of the episode such that

    without padding       every row of the window lies in the episode:  max(0, T - (H - 1) * skip) windows
    end padded            the first row does; later ones repeat the last row:                     T windows
    start padded too      starts at -(H - 1) ... -1 as well, rows before 0 repeat row 0:      H - 1 windows more

With only the start padded, the start runs from -(H - 1) as long as the last row lies in the episode.

Where windows are chosen (`muse.datasets.interactions`), the same is said of segments of episodes: a window lies in one segment, and
padding repeats the segment's first and last row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from muse.datasets.episodes import Rows


class Segments(NamedTuple):
    """Runs of rows in which windows lie, those of an episode together, episodes in their order.

    Attributes:
        first: `(S,)` int64, the first row of each, counted over all the episodes given.
        lengths: `(S,)` int64, rows of each.
        episodes: `(S,)` int64, the episode of each.
    """

    first: np.ndarray
    lengths: np.ndarray
    episodes: np.ndarray


class Located(NamedTuple):
    """The rows of a batch of windows.

    Attributes:
        rows: `(B, H)` int64, rows of the store.
        first, last: `(B, 1)` int64, the first and the last row of each window's episode.
        segment_last: `(B, 1)` int64, the last row of each window's segment; `last` where whole episodes have windows.
        done: `(B, H)` bool, true where the row is its episode's last.
        padding_mask: `(B, H)` bool, true where a row repeats another.
        episodes: `(B,)` int64, episodes of the store.
    """

    rows: np.ndarray
    first: np.ndarray
    last: np.ndarray
    segment_last: np.ndarray
    done: np.ndarray
    padding_mask: np.ndarray
    episodes: np.ndarray


class WindowTable:
    """The windows of a growing row of episodes. Rows and episodes are counted from the beginning, so that none moves.

    Args:
        horizon: Rows of a window, `H`.
        skip: Rows from one to the next.
        pad_start, pad_end: Whether windows may begin before, or go beyond, their episode or segment.
        segmented: Whether episodes come with segments.
    """

    def __init__(
        self, horizon: int, skip: int = 1, pad_start: bool = False, pad_end: bool = False, segmented: bool = False
    ) -> None:
        self.horizon, self.skip, self.pad_start, self.pad_end, self.segmented = horizon, skip, pad_start, pad_end, segmented
        self._offsets = np.arange(horizon, dtype=np.int64) * skip
        # start, first row of the episode or segment, its last row, number of the episode; with segments the episode's rows too
        self._table = Rows(np.empty((0, 6 if segmented else 4), np.int64))
        self._counts = Rows(np.empty(0, np.int64))
        self._rows = self._dropped_rows = self._dropped_episodes = 0
        self.first_window = 0

    def __len__(self) -> int:
        return len(self._table)

    @property
    def counts(self) -> np.ndarray:
        """`(E,)` int64: number of windows of each episode."""
        return self._counts.array

    def append(self, lengths: np.ndarray, segments: Segments | None = None) -> None:
        """Adds episodes of `lengths` `(E,)`, with their segments where the table has segments."""
        lengths = np.asarray(lengths, np.int64)
        ends = np.cumsum(lengths)
        if segments is None:
            segments = Segments(ends - lengths, lengths, np.arange(len(lengths)))
        low, high = self._start_range(segments.lengths)
        counts = np.maximum(0, high - low)
        first = self._rows + segments.first
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        new = self._table.extend(int(counts.sum()))
        new[:, 0] = np.repeat(first + low, counts) + within
        new[:, 1] = np.repeat(first, counts)
        new[:, 2] = np.repeat(first + segments.lengths - 1, counts)
        new[:, 3] = np.repeat(self._dropped_episodes + len(self._counts) + segments.episodes, counts)
        if self.segmented:
            ends = self._rows + ends[segments.episodes]
            new[:, 4] = np.repeat(ends - lengths[segments.episodes], counts)
            new[:, 5] = np.repeat(ends - 1, counts)
        self._counts.extend(len(lengths))[...] = np.bincount(np.repeat(segments.episodes, counts), minlength=len(lengths))
        self._rows += int(lengths.sum())

    def drop_first(self, lengths: np.ndarray) -> None:
        """Forgets the oldest episodes, whose `lengths` are given."""
        windows = int(self._counts.array[: len(lengths)].sum())
        self._table.drop(windows)
        self._counts.drop(len(lengths))
        self.first_window += windows
        self._dropped_rows += int(lengths.sum())
        self._dropped_episodes += len(lengths)

    def locate(self, indices: np.ndarray) -> Located:
        """Returns the rows of the windows `indices` `(B,)`."""
        found = self._table.array.take(indices, axis=0)
        if self._dropped_rows:
            rows = self._dropped_rows
            found -= (rows, rows, rows, self._dropped_episodes, *((rows, rows) if self.segmented else ()))
        first, last = found[:, 1:2], found[:, 2:3]
        rows = found[:, 0:1] + self._offsets
        if self.pad_end:
            padding = rows > last
            np.minimum(rows, last, out=rows)
        else:
            padding = np.zeros(rows.shape, bool)
        if self.pad_start:
            padding |= rows < first
            np.maximum(rows, first, out=rows)
        if not self.segmented:
            return Located(rows, first, last, last, rows == last, padding, found[:, 3])
        end = found[:, 5:6]
        return Located(rows, found[:, 4:5], end, last, rows == end, padding, found[:, 3])

    def _start_range(self, lengths: np.ndarray) -> tuple[int, np.ndarray]:
        low = -(self.horizon - 1) if self.pad_start else 0
        return low, lengths if self.pad_end else lengths - (self.horizon - 1) * self.skip
