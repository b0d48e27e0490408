"""Keeps the steps of `B` envs until their episodes end."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class StepBuffer:
    """Columns of `B` rows over time, written one step at a time for all rows together.

    One assignment a name and step, whatever `B` is: the rows of an episode are gathered once, when it ends. Steps lie in
    chunks, so nothing is moved when the buffer grows, and a chunk that no running episode needs is freed.

    Args:
        chunk: Steps in a chunk.
    """

    def __init__(self, chunk: int = 64) -> None:
        self._size = chunk
        self._chunks: list[dict[str, np.ndarray]] = []
        self._first = 0
        self._position = chunk
        self.time = 0

    def write(self, values: Mapping[str, np.ndarray]) -> None:
        """Copies `values`, leaves `(B, *shape)`, into the present step; may be called several times a step."""
        if self._position == self._size:
            self._chunks.append({})
            self._position = 0
        chunk, position = self._chunks[-1], self._position
        for name, value in values.items():
            column = chunk.get(name)
            if column is None:
                column = chunk[name] = np.empty((self._size, *value.shape), value.dtype)
            column[position] = value

    def advance(self) -> None:
        """Ends the present step; `time` counts the steps."""
        self._position += 1
        self.time += 1

    def get(self, row: int, start: int) -> dict[str, np.ndarray]:
        """Returns copies of what was written for `row` from step `start` on, leaves `(T, *shape)`."""
        pieces: dict[str, list[np.ndarray]] = {}
        for i in range((start - self._first) // self._size, len(self._chunks)):
            begin = self._first + i * self._size
            window = slice(max(start - begin, 0), min(self.time - begin, self._size))
            for name, column in self._chunks[i].items():
                pieces.setdefault(name, []).append(column[window, row])
        return {name: np.concatenate(parts) for name, parts in pieces.items()}

    def drop_before(self, start: int) -> None:
        """Frees the chunks that hold only steps before `start`."""
        count = min((start - self._first) // self._size, len(self._chunks))
        if count > 0:
            del self._chunks[:count]
            self._first += count * self._size
