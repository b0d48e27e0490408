"""Recorders of episodes: into a dataset, into a video, into a tracker. `muse.rollouts.recorder` has their contract."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from muse.datasets.dataset import DataError
from muse.envs.vector_env import VectorEnv
from muse.metrics.tracker import Tracker
from muse.rollouts.recorder import Recorder
from muse.rollouts.video_recorder import VideoRecorder
from muse.specs import Episode
from muse.utils.abstract import build

__all__ = ["DatasetRecorder", "OrderedRecorder", "TrackerRecorder", "VideoRecorder"]

_log = logging.getLogger(__name__)


class OrderedRecorder(Recorder, ABC):
    """Takes episodes in the order of their seeds, so that what it makes of them does not depend on how many envs ran.

    An episode that ends before an earlier one waits for it; none waits for one that was given up. When the loop is closed early,
    the ones that still wait are dropped: what was taken is always the episodes of the first `taken` seeds, and a later run can go
    on from there.

    Attributes:
        taken: Seeds whose episodes were taken, or given up, over all queues.
        lost: Those of them that were given up.
        solved: Those of them that succeeded.
    """

    def __init__(self) -> None:
        self.taken = self.lost = self.solved = 0
        self._first = 0
        self._waiting: dict[int, Episode | None] = {}

    @property
    def solved_share(self) -> float | None:
        """Share of successes among the episodes taken; None without any."""
        ended = self.taken - self.lost
        return self.solved / ended if ended else None

    def start(self, env: VectorEnv) -> None:
        """Expects indices from 0 again."""
        self._waiting.clear()
        self._first = self.taken

    def end(self, row: int, index: int, episode: Episode) -> None:
        """Takes the episode, and those that waited for it."""
        self._put(index, episode)

    def fail(self, row: int, index: int, is_lost: bool) -> None:
        """Takes the episodes that waited for one that was given up."""
        if is_lost:
            self._put(index, None)

    def _put(self, index: int, episode: Episode | None) -> None:
        self._waiting[self._first + index] = episode
        while self.taken in self._waiting and not self.is_full:
            following = self._waiting.pop(self.taken)
            # An episode whose taking fails is not counted: a later run begins with it.
            if following is None:
                self.lost += 1
            else:
                self.take(following)
                self.solved += bool(following.success)
            self.taken += 1
            self.took()

    @property
    def is_full(self) -> bool:
        """Whether no more episodes are to be taken."""
        return False

    @abstractmethod
    def take(self, episode: Episode) -> None:
        """Takes the next episode; `taken` is its place."""

    def took(self) -> None:
        """Is told when the next episode was taken or given up, and counted."""

    def close(self) -> None:
        """Drops the episodes that wait."""
        self._waiting.clear()


class TrackerRecorder(OrderedRecorder):
    """Adds episodes to trackers.

    Args:
        trackers: By name, as a recipe lists them.
    """

    def __init__(self, trackers: Mapping[str, Tracker]) -> None:
        super().__init__()
        self.trackers = dict(trackers)

    @classmethod
    def of(cls, groups: Mapping[str, Any] | None, where: str) -> TrackerRecorder:
        """Builds the trackers that a recipe lists by name; none when None."""
        return cls({name: build(group, where=f"{where}/{name}") for name, group in (groups or {}).items()})

    def take(self, episode: Episode) -> None:
        """Adds the episode to every tracker."""
        for tracker in self.trackers.values():
            tracker.add(episode)

    def values(self) -> dict[str, float]:
        """Returns what the trackers say, by `"<tracker>/<value>"`."""
        return {f"{key}/{name}": value for key, tracker in self.trackers.items() for name, value in tracker.values().items()}


class Growing(Protocol):
    """What episodes can be added to: an `EpisodeWriter`, a `Dataset`. One that is to be saved has `save()` too."""

    def add_episode(self, episode: Episode) -> Any:
        """Appends an episode."""


class DatasetRecorder(OrderedRecorder):
    """Adds episodes to a dataset.

    Args:
        dataset: Grows by the episodes.
        save_every_n_episodes: Call `dataset.save()` whenever so many more were taken, and at the end; 0: at the end only; None:
            leave saving to whoever made the dataset.
        only_successful: Leave out episodes that did not succeed.
        max_rows, max_episodes: Take no more episodes once so many steps, or episodes, were added; 0: no limit.
        before_save: Called with `taken` to write down how far the collection is: before each save, and before an episode is added,
            for an `EpisodeWriter` may write by itself then.

    Attributes:
        added, rows: Episodes and steps added to the dataset.
        kept: Places of those episodes among the ones taken, from 0.

    Raises:
        DataError: At construction, for `save_every_n_episodes` with a dataset that cannot save.
    """

    def __init__(
        self,
        dataset: Growing,
        save_every_n_episodes: int | None = None,
        only_successful: bool = False,
        max_rows: int = 0,
        max_episodes: int = 0,
        before_save: Callable[[int], None] = lambda taken: None,
    ) -> None:
        super().__init__()
        if save_every_n_episodes is not None and (save_every_n_episodes < 0 or not callable(getattr(dataset, "save", None))):
            got = f"{save_every_n_episodes} with a {type(dataset).__name__}"
            raise DataError("DatasetRecorder: save_every_n_episodes", got, "None, or 0 or more with a dataset that has save()")
        self.dataset, self.save_every_n_episodes, self.only_successful = dataset, save_every_n_episodes, only_successful
        self.max_rows, self.max_episodes, self.before_save = max_rows, max_episodes, before_save
        self.rows = 0
        self.added = 0
        self.kept: list[int] = []
        self._saved = 0

    def take(self, episode: Episode) -> None:
        """Adds the episode."""
        if episode.success or not self.only_successful:
            self.before_save(self.taken)
            self.dataset.add_episode(episode)
            self.added += 1
            self.kept.append(self.taken)
            self.rows += len(episode)

    def took(self) -> None:
        """Saves when it is time."""
        if self.save_every_n_episodes and self.taken - self._saved >= self.save_every_n_episodes:
            self._save()

    @property
    def is_full(self) -> bool:
        """Whether `max_rows` or `max_episodes` is reached."""
        return 0 < self.max_rows <= self.rows or 0 < self.max_episodes <= self.added

    def close(self) -> None:
        """Saves where that was asked for."""
        super().close()
        if self.save_every_n_episodes is not None and self.taken > self._saved:
            self._save()

    def _save(self) -> None:
        self.before_save(self.taken)
        self.dataset.save()  # type: ignore[attr-defined]
        self._saved = self.taken
        _log.debug("saved the dataset with %d new episodes", self.added)
