"""Recorders of episodes: into a dataset, into a video, into a tracker. `muse.rollouts.recorder` has their contract."""

from __future__ import annotations

import logging
from collections.abc import Callable

from muse.datasets.dataset import DataError, Dataset
from muse.envs.vector_env import VectorEnv
from muse.rollouts.recorder import Recorder
from muse.rollouts.video_recorder import VideoRecorder
from muse.specs import Episode

__all__ = ["DatasetRecorder", "VideoRecorder"]

logger = logging.getLogger(__name__)


class DatasetRecorder(Recorder):
    """Adds episodes to a dataset in the order of their seeds, so that the dataset does not depend on how many envs ran.

    An episode that ends before an earlier one waits for it. What is in the dataset is always the episodes of the first
    `taken` seeds: when the loop is closed early, the ones that still wait are dropped, and a later run can go on from there.

    Args:
        dataset: Grows by the episodes; `add_episode` is called for each.
        save_every_n_episodes: Call `dataset.save()` whenever so many more were taken in, and at the end; 0 leaves saving to
            whoever made the dataset.
        only_successful: Leave out episodes that did not succeed.
        before_save: Called with `taken` before each save, to write down how far the collection is.

    Attributes:
        taken, added: Seeds whose episodes were taken in, and how many of those episodes are in the dataset.
        solved: Episodes taken in that succeeded.

    Raises:
        DataError: At construction, for `save_every_n_episodes` with a dataset that cannot save.
    """

    def __init__(
        self,
        dataset: Dataset,
        save_every_n_episodes: int = 0,
        only_successful: bool = False,
        before_save: Callable[[int], None] | None = None,
    ) -> None:
        if save_every_n_episodes < 0 or (save_every_n_episodes and not callable(getattr(dataset, "save", None))):
            got = f"{save_every_n_episodes} with a {type(dataset).__name__}"
            raise DataError(
                "DatasetRecorder: save_every_n_episodes", got, "0, or a positive number with a dataset that has save()"
            )
        self.dataset, self.save_every_n_episodes, self.only_successful = dataset, save_every_n_episodes, only_successful
        self.before_save = before_save
        self.taken = self.added = self.solved = 0
        self._saved = 0
        self._first = 0
        self._waiting: dict[int, Episode] = {}

    def start(self, env: VectorEnv) -> None:
        """Expects indices from 0 again."""
        self._waiting.clear()
        self._first = self.taken

    def end(self, row: int, index: int, episode: Episode) -> None:
        """Adds the episode, and those that waited for it."""
        self._waiting[self._first + index] = episode
        while self.taken in self._waiting:
            self._add(self._waiting.pop(self.taken))

    def close(self) -> None:
        """Saves where that was asked for."""
        self._waiting.clear()
        if self.save_every_n_episodes and self.taken > self._saved:
            self._save()

    def _add(self, episode: Episode) -> None:
        self.taken += 1
        self.solved += bool(episode.success)
        if episode.success or not self.only_successful:
            self.dataset.add_episode(episode)
            self.added += 1
        if self.save_every_n_episodes and self.taken - self._saved >= self.save_every_n_episodes:
            self._save()

    def _save(self) -> None:
        if self.before_save is not None:
            self.before_save(self.taken)
        self.dataset.save()  # type: ignore[attr-defined]
        self._saved = self.taken
        logger.debug("saved the dataset with %d new episodes", self.added)
