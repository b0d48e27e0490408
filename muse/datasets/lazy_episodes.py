"""An episode store whose rows stay in files: each is read when a window asks for it."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from muse.datasets.episodes import Column, EpisodeStore, Rows
from muse.datasets.numbers import is_finite

#: Rows between two that are wanted are read along with them where they are no more than this [bytes].
_BRIDGED_BYTES = 2**15


class EpisodeSource(ABC):
    """Where the rows of a step name lie, an array for each episode."""

    @abstractmethod
    def read(self, episode: int, begin: int, end: int) -> np.ndarray:
        """Returns rows `[begin, end)` of an episode, `(end - begin, *shape)`, in their type.

        Raises:
            DataError: For rows that cannot be read, or do not fit the type.
        """

    @abstractmethod
    def check(self, episode: int, begin: int, end: int) -> None:
        """Raises `DataError` for NaN or infinity in the rows of a float name; asked where `read` returned some."""


class LazyColumn:
    """All rows of a step name, `(N, *shape)`, as far as a batch reader and statistics use an array: `take`, slices, `len`.

    Args:
        source: Reads rows.
        episodes: `(E,)` int64, the source's numbers of the episodes held.
        ends: `(E,)` int64, the row after each episode's last.
        shape: Of a row.
        dtype: Of the rows.
    """

    def __init__(
        self, source: EpisodeSource, episodes: np.ndarray, ends: np.ndarray, shape: tuple[int, ...], dtype: np.dtype
    ) -> None:
        self._source, self._episodes, self._ends, self.dtype = source, episodes, ends, dtype
        self._row_shape = shape
        row_bytes = max(1, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
        self._bridged = 1 + _BRIDGED_BYTES // row_bytes

    @property
    def shape(self) -> tuple[int, ...]:
        """`(N, *shape)`."""
        return len(self), *self._row_shape

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self.take(np.arange(*rows.indices(len(self))))

    def reshaped(self, shape: tuple[int, ...]) -> LazyColumn:
        """Returns the same rows in another shape."""
        return LazyColumn(self._source, self._episodes, self._ends, shape, self.dtype)

    def take(self, rows: np.ndarray, axis: int = 0) -> np.ndarray:
        """Returns `rows` `(n,)` in their order, `(n, *shape)`: neighbours in one read, however many windows hold them."""
        wanted, places = np.unique(rows, return_inverse=True)
        found = np.empty((len(wanted), *self._row_shape), self.dtype)
        numbers = np.searchsorted(self._ends, wanted, side="right")
        breaks = (np.diff(wanted) > self._bridged) | (np.diff(numbers) != 0)
        bounds = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(wanted)]
        runs = []
        for low, high in itertools.pairwise(bounds):
            if low == high:
                continue
            number = int(numbers[low])
            before = int(self._ends[number - 1]) if number else 0
            begin, end = int(wanted[low]), int(wanted[high - 1]) + 1
            runs.append((int(self._episodes[number]), begin - before, end - before))
            run = self._source.read(*runs[-1]).reshape(end - begin, *self._row_shape)
            found[low:high] = run if end - begin == high - low else run[wanted[low:high] - begin]
        # All rows at once: a look at each run would take longer than reading it.
        if not is_finite(found):
            for episode_rows in runs:
                self._source.check(*episode_rows)
        return found.take(places.reshape(-1), axis=0)


class LazyBlock:
    """A `LazyColumn` in the place of a block of an `EpisodeStore`.

    Attributes:
        array: The rows, flat, `(N, width)`.
    """

    def __init__(self, column: LazyColumn) -> None:
        self.array = column


class LazyStore(EpisodeStore):
    """Episodes whose step names are read when asked for. One-time names and the ends of episodes are in memory. It does not grow.

    Args:
        sources: Where each step name lies, with the shape and the type of its rows.
        onetime: One-time names `(E, *shape)`.
        lengths: `(E,)` int64, rows of each episode.
        episodes: The sources' numbers of the episodes; all in order when None.
    """

    def __init__(
        self,
        sources: Mapping[str, tuple[EpisodeSource, tuple[int, ...], np.dtype]],
        onetime: Mapping[str, np.ndarray],
        lengths: np.ndarray,
        episodes: np.ndarray | None = None,
    ) -> None:
        self._sources = dict(sources)
        self._episodes = np.arange(len(lengths)) if episodes is None else episodes
        self._ends, self._dropped_rows = Rows(np.cumsum(lengths, dtype=np.int64)), 0
        self.onetime = {name: Rows(array) for name, array in onetime.items()}
        self.columns, self.blocks = {}, []
        for block, (name, (_, shape, dtype)) in enumerate(self._sources.items()):
            width = int(np.prod(shape, dtype=np.int64))
            self.columns[name] = Column(block, 0, width, shape, dtype)
            self.blocks.append(LazyBlock(self._column(name).reshaped((width,))))

    def view(self, name: str) -> np.ndarray | LazyColumn:
        """Returns all rows of a step name, `(N, *shape)`, or of a one-time name, `(E, *shape)`; not to be written to."""
        return self._column(name) if name in self._sources else super().view(name)

    def selected(self, episodes: Sequence[int] | np.ndarray) -> LazyStore:
        """Returns a store of some episodes, in the order given."""
        chosen = np.asarray(episodes, np.int64)
        onetime = {name: rows.array[chosen] for name, rows in self.onetime.items()}
        return LazyStore(self._sources, onetime, self.lengths[chosen], self._episodes[chosen])

    def _column(self, name: str) -> LazyColumn:
        source, shape, dtype = self._sources[name]
        return LazyColumn(source, self._episodes, self.ends, shape, dtype)
