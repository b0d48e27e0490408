"""The episode store: flat contiguous arrays and where each episode ends.

Rows of all episodes lie one after another. Names of one type that batches ask for together share one matrix, so that a
batch is one gather per matrix instead of one per name; a name is then a view of some of its columns.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

#: Names with larger rows than this stay in arrays of their own [bytes]: gathering an image costs more than the call.
PACKED_ROW_BYTES = 1024


class Rows:
    """An array that grows at its end and shrinks at its beginning, both in amortised constant time per row.

    Attributes:
        array: The rows held, `(N, ...)`, a view.
    """

    def __init__(self, array: np.ndarray) -> None:
        self._buffer = array
        self._begin = 0
        self._end = len(array)
        # Others may see this memory, or it may be a read-only map of a file: copied before the first change.
        self._owned = False
        self.array = array

    def __len__(self) -> int:
        return self._end - self._begin

    def extend(self, count: int) -> np.ndarray:
        """Adds `count` rows and returns the view to fill."""
        if not self._owned or self._end + count > len(self._buffer):
            self._make_room(count)
        self._end += count
        self.array = self._buffer[self._begin : self._end]
        return self._buffer[self._end - count : self._end]

    def drop(self, count: int) -> None:
        """Forgets the first `count` rows."""
        self._begin += count
        self.array = self._buffer[self._begin : self._end]

    def shared(self, begin: int, end: int) -> Rows:
        """Returns rows `[begin, end)` on the same memory; whichever side changes first copies."""
        self._owned = False
        return Rows(self.array[begin:end])

    def _make_room(self, count: int) -> None:
        held, needed = len(self), len(self) + count
        target = self._buffer
        if not self._owned or needed + needed // 2 > len(self._buffer):
            target = np.empty((max(needed + needed // 2, 16), *self._buffer.shape[1:]), self._buffer.dtype)
        target[:held] = self.array
        self._buffer, self._begin, self._end, self._owned = target, 0, held, True


@dataclass(frozen=True)
class Column:
    """Where a name lies: columns `[begin, end)` of block `block`, to be seen as `shape`."""

    block: int
    begin: int
    end: int
    shape: tuple[int, ...]
    dtype: np.dtype


def plan_blocks(columns: Mapping[str, tuple[tuple[int, ...], np.dtype]], together: Iterable[str]) -> list[list[str]]:
    """Returns which names share a matrix.

    Args:
        columns: Shape and type of each name.
        together: Names that batches ask for; those of one type are packed, and so are the others.
    """
    hot = set(together)
    blocks: dict[object, list[str]] = {}
    for name, (shape, dtype) in columns.items():
        row_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        key = name if row_bytes > PACKED_ROW_BYTES else (dtype.str, name in hot)
        blocks.setdefault(key, []).append(name)
    return list(blocks.values())


class EpisodeStore:
    """Step names in packed matrices, one-time names in arrays `(E, *shape)`, and the end of each episode.

    Args:
        columns: Shape and type of each step name.
        onetime: Shape and type of each one-time name.
        together: Step names that batches ask for together.
    """

    def __init__(
        self,
        columns: Mapping[str, tuple[tuple[int, ...], np.dtype]],
        onetime: Mapping[str, tuple[tuple[int, ...], np.dtype]],
        together: Iterable[str] = (),
    ) -> None:
        self.columns: dict[str, Column] = {}
        self.blocks: list[Rows] = []
        for block, names in enumerate(plan_blocks(columns, together)):
            width = 0
            for name in names:
                shape, dtype = columns[name]
                size = int(np.prod(shape, dtype=np.int64))
                self.columns[name] = Column(block, width, width + size, shape, dtype)
                width += size
            self.blocks.append(Rows(np.empty((0, width), columns[names[0]][1])))
        self.columns = {name: self.columns[name] for name in columns}
        self.onetime = {name: Rows(np.empty((0, *shape), dtype)) for name, (shape, dtype) in onetime.items()}
        self._ends = Rows(np.empty(0, np.int64))
        self._dropped_rows = 0

    @property
    def num_rows(self) -> int:
        """Number of rows held."""
        return int(self.ends[-1]) if len(self._ends) else 0

    @property
    def num_episodes(self) -> int:
        """Number of episodes held."""
        return len(self._ends)

    @property
    def ends(self) -> np.ndarray:
        """`(E,)` int64: the row after each episode's last."""
        return self._ends.array - self._dropped_rows

    @property
    def lengths(self) -> np.ndarray:
        """`(E,)` int64: rows of each episode."""
        return np.diff(self.ends, prepend=0)

    def bounds(self, index: int) -> tuple[int, int]:
        """Returns the first row of episode `index` and the row after its last."""
        begin = self._ends.array[index - 1] - self._dropped_rows if index > 0 else 0
        return int(begin), int(self._ends.array[index] - self._dropped_rows)

    def view(self, name: str) -> np.ndarray:
        """Returns all rows of a step name, `(N, *shape)`, or of a one-time name, `(E, *shape)`; not to be written to."""
        if name in self.onetime:
            return self.onetime[name].array
        column = self.columns[name]
        array = self.blocks[column.block].array
        return array[:, column.begin : column.end].reshape(len(array), *column.shape)

    def append(self, steps: Mapping[str, np.ndarray], onetime: Mapping[str, np.ndarray], ends: np.ndarray) -> None:
        """Appends episodes: checked arrays of all names, and the end of each episode counted from their first row."""
        rows, previous = int(ends[-1]), self._dropped_rows + self.num_rows
        new = [block.extend(rows) for block in self.blocks]
        for name, column in self.columns.items():
            new[column.block][:, column.begin : column.end] = steps[name].reshape(rows, column.end - column.begin)
        for name, array in self.onetime.items():
            array.extend(len(ends))[...] = onetime[name]
        self._ends.extend(len(ends))[...] = ends + previous

    def adopt(self, steps: Mapping[str, np.ndarray], onetime: Mapping[str, np.ndarray], ends: np.ndarray) -> None:
        """Like `append` to an empty store, but names with a block of their own keep the memory given (a mapped file)."""
        rows = int(ends[-1])
        alone = {block for block in range(len(self.blocks)) if sum(c.block == block for c in self.columns.values()) == 1}
        new = {}
        for block in range(len(self.blocks)):
            if block not in alone:
                new[block] = self.blocks[block].extend(rows)
        for name, column in self.columns.items():
            values = steps[name].reshape(rows, column.end - column.begin)
            if column.block in alone:
                self.blocks[column.block] = Rows(values)
            else:
                new[column.block][:, column.begin : column.end] = values
        self.onetime = {name: Rows(onetime[name]) for name in self.onetime}
        self._ends = Rows(np.asarray(ends, np.int64))

    def extended(self, steps: Mapping[str, np.ndarray], together: Iterable[str] = ()) -> EpisodeStore:
        """Returns a store with further step names, `(N, *shape)`; all else is the same memory, that grows and shrinks with this one."""
        added = EpisodeStore({name: (array.shape[1:], array.dtype) for name, array in steps.items()}, {}, together)
        for block in added.blocks:
            block.extend(self.num_rows)
        store = copy.copy(self)
        store.columns, store.blocks = dict(self.columns), [*self.blocks, *added.blocks]
        for name, column in added.columns.items():
            values = steps[name].reshape(self.num_rows, column.end - column.begin)
            added.blocks[column.block].array[:, column.begin : column.end] = values
            store.columns[name] = replace(column, block=column.block + len(self.blocks))
        return store

    def drop_first(self, count: int) -> None:
        """Forgets the `count` oldest episodes."""
        rows = self.bounds(count - 1)[1]
        for block in self.blocks:
            block.drop(rows)
        for array in self.onetime.values():
            array.drop(count)
        self._ends.drop(count)
        self._dropped_rows += rows

    def selected(self, episodes: Sequence[int] | np.ndarray) -> EpisodeStore:
        """Returns a store of some episodes, in the order given; consecutive ones share memory with this one."""
        chosen = np.asarray(episodes, np.int64)
        lengths = self.lengths[chosen]
        store = object.__new__(EpisodeStore)
        store.columns, store._dropped_rows = dict(self.columns), 0
        store._ends = Rows(np.cumsum(lengths))
        if len(chosen) and np.array_equal(chosen, np.arange(chosen[0], chosen[0] + len(chosen))):
            begin, end = self.bounds(int(chosen[0]))[0], self.bounds(int(chosen[-1]))[1]
            store.blocks = [block.shared(begin, end) for block in self.blocks]
            store.onetime = {name: array.shared(int(chosen[0]), int(chosen[-1]) + 1) for name, array in self.onetime.items()}
            return store
        pieces = [np.arange(*self.bounds(int(index))) for index in chosen]
        rows = np.concatenate(pieces) if pieces else np.empty(0, np.int64)
        store.blocks = [Rows(block.array[rows]) for block in self.blocks]
        store.onetime = {name: Rows(array.array[chosen]) for name, array in self.onetime.items()}
        return store
