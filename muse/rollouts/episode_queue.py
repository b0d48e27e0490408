"""Which episode each env of a rollout runs, which comes next, and what becomes of one whose env failed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from muse.envs.vector_env import EnvFailure
from muse.utils.abstract import add_note
from muse.utils.errors import MuseError

_log = logging.getLogger(__name__)

#: With few envs, how many of the first episodes show that none works: one alone may have a start that no simulator survives.
_FEWEST_LOST = 3


class RolloutError(MuseError):
    """A rollout asked for what it cannot do."""


@dataclass(frozen=True)
class LostEpisode:
    """An episode that was given up, for its env failed at every attempt.

    Attributes:
        index: The place of its seed in the queue.
        seed: The seed of its reset.
        error: What happened at the last attempt.
    """

    index: int
    seed: int | None
    error: EnvFailure


@dataclass
class Attempt:
    """An episode that a row runs: the seed and preset of its reset, and which try this is, from 1."""

    index: int
    seed: int | None
    preset: Mapping[str, Any] | None
    number: int = 1


class EpisodeQueue:
    """Hands episodes to the `B` rows of a rollout. A row whose env failed is given its episode again, `retries` times.

    Args:
        num_envs: Number of rows.
        episodes: Seed and preset of each episode; may be endless.
        retries: How often an episode is run again before it is given up.

    Attributes:
        lost: The episodes given up.
    """

    def __init__(self, num_envs: int, episodes: Iterator[tuple[int | None, Mapping[str, Any] | None]], retries: int) -> None:
        self._attempts: list[Attempt | None] = [None] * num_envs
        self.lost: list[LostEpisode] = []
        self._waiting, self._retries = enumerate(episodes), retries
        self._has_ended = False

    def fill(self, rows: np.ndarray) -> np.ndarray:
        """Gives the next episodes to those of `rows` `(B,)` bool that have none to run again.

        Returns:
            `(B,)` bool: those of `rows` that have an episode to run now.
        """
        filled = np.zeros_like(rows)
        for row in np.flatnonzero(rows).tolist():
            if self._attempts[row] is None:
                index, (seed, preset) = next(self._waiting, (None, (None, None)))
                if index is None:
                    continue
                self._attempts[row] = Attempt(index, seed, preset)
            filled[row] = True
        return filled

    def is_running(self) -> np.ndarray:
        """Returns `(B,)` bool: rows that run an episode."""
        return np.array([attempt is not None for attempt in self._attempts])

    def get(self, row: int) -> Attempt:
        """Returns what `row` runs."""
        attempt = self._attempts[row]
        assert attempt is not None, "the row runs nothing"
        return attempt

    def end(self, row: int) -> None:
        """The episode of `row` has ended as it should."""
        self._attempts[row] = None
        self._has_ended = True

    def fail(self, row: int, error: EnvFailure) -> bool:
        """The env of `row` failed; returns whether its episode is given up."""
        attempt, tries = self.get(row), self._retries + 1
        is_lost = attempt.number >= tries
        _log.warning(
            "episode %d (seed %s): %s; attempt %d of %d%s",
            attempt.index, attempt.seed, error.summary, attempt.number, tries, ", given up" if is_lost else "",
        )  # fmt: skip
        attempt.number += 1
        if is_lost:
            self.lost.append(LostEpisode(attempt.index, attempt.seed, error))
            self._attempts[row] = None
        return is_lost

    def check_hope(self) -> None:
        """Raises `RolloutError` when no env works.

        That is when none has ended an episode, and either the first of every row were given up, or no other is left.
        """
        count = max(len(self._attempts), _FEWEST_LOST)
        is_over = not self.is_running().any()
        if self._has_ended or not self.lost or not (is_over or sum(lost.index < count for lost in self.lost) == count):
            return
        first = self.lost[0].error
        error = RolloutError(
            "RolloutLoop",
            f"the env failed in every episode, {self._retries + 1} times in each; the last time in the first one: {first.summary}",
            "an env that runs",
            first.hint,
        )
        if first.trace:
            add_note(error, f"there:\n{first.trace}")
        raise error from first
