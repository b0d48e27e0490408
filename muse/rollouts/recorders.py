"""Recorders of episodes: into a dataset, into a video, into a tracker. `muse.rollouts.recorder` has their contract."""

from __future__ import annotations

import logging

from muse.datasets.dataset import DataError, Dataset
from muse.envs.vector_env import VectorEnv
from muse.rollouts.recorder import Recorder
from muse.rollouts.video_recorder import VideoRecorder
from muse.specs import Episode

__all__ = ["DatasetRecorder", "VideoRecorder"]

logger = logging.getLogger(__name__)


class DatasetRecorder(Recorder):
    """Adds episodes to a dataset in the order of their seeds, so that the dataset does not depend on how many envs ran.

    An episode that ends before an earlier one waits for it. When the loop is closed early the ones that wait are added in
    order too: nothing that was finished is lost.

    Args:
        dataset: Grows by the episodes; `add_episode` is called for each.
        save_every_n_episodes: Call `dataset.save()` whenever so many more were added, and at the end; 0 leaves saving to
            whoever made the dataset.
        only_successful: Leave out episodes that did not succeed.

    Attributes:
        seen, added: Episodes that ended, and those of them that are in the dataset.

    Raises:
        DataError: At construction, for `save_every_n_episodes` with a dataset that cannot save.
    """

    def __init__(self, dataset: Dataset, save_every_n_episodes: int = 0, only_successful: bool = False) -> None:
        if save_every_n_episodes < 0 or (save_every_n_episodes and not callable(getattr(dataset, "save", None))):
            got = f"{save_every_n_episodes} with a {type(dataset).__name__}"
            raise DataError(
                "DatasetRecorder: save_every_n_episodes", got, "0, or a positive number with a dataset that has save()"
            )
        self.dataset, self.save_every_n_episodes, self.only_successful = dataset, save_every_n_episodes, only_successful
        self.seen = self.added = 0
        self._saved = 0
        self._next = 0
        self._waiting: dict[int, Episode] = {}

    def start(self, env: VectorEnv) -> None:
        """Expects indices from 0 again."""
        self._add_waiting()
        self._next = 0

    def end(self, row: int, index: int, episode: Episode) -> None:
        """Adds the episode, and those that waited for it."""
        self.seen += 1
        self._waiting[index] = episode
        while self._next in self._waiting:
            self._add(self._waiting.pop(self._next))
            self._next += 1

    def close(self) -> None:
        """Adds the episodes that wait, and saves where that was asked for."""
        self._add_waiting()
        if self.save_every_n_episodes and self.added > self._saved:
            self._save()

    def _add_waiting(self) -> None:
        for index in sorted(self._waiting):
            self._add(self._waiting.pop(index))

    def _add(self, episode: Episode) -> None:
        if self.only_successful and not episode.success:
            return
        self.dataset.add_episode(episode)
        self.added += 1
        if self.save_every_n_episodes and self.added - self._saved >= self.save_every_n_episodes:
            self._save()

    def _save(self) -> None:
        self.dataset.save()  # type: ignore[attr-defined]
        self._saved = self.added
        logger.info("saved the dataset with %d new episodes", self.added)
