"""The episodes that a person keeps: on the disk before the next begins."""

from __future__ import annotations

import copy

from muse.datasets.episode_writer import EpisodeWriter
from muse.specs import Episode


class Keeper:
    """Writes kept episodes one by one, and takes the last one back.

    Each has the number of its start among those of the seed, as a collection writes it down (`kept`); marks and notes are told by
    that number, in the meta data under `collection`.

    Args:
        writer: Whose meta data has a `collection`.
    """

    def __init__(self, writer: EpisodeWriter) -> None:
        self.writer = writer
        self._collection = writer.meta["collection"]
        for name in ("marks", "notes"):
            self._collection.setdefault(name, {})

    @property
    def num_episodes(self) -> int:
        """Episodes in the file."""
        return self.writer.num_episodes

    @property
    def next_number(self) -> int:
        """Number of the first start that was not used yet."""
        return self._collection["episodes_seen"]

    def keep(self, number: int, episode: Episode, mark: bool | None = None, note: str = "") -> None:
        """Appends an episode and saves; after an error it is not among those kept, and may be kept again.

        Args:
            number: Of its start.
            episode: With the success that it shall have.
            mark: What the person said of its success; None: nothing.
            note: On it.

        Raises:
            DataError: What `EpisodeWriter` raises.
            OSError: When the disk refuses.
        """
        self.writer.add_episode(episode)
        collection = self._collection
        before = copy.deepcopy(collection)
        collection["episodes_seen"] = max(collection["episodes_seen"], number + 1)
        collection["kept"].append(number)
        if mark is not None:
            collection["marks"][str(number)] = mark
        if note:
            collection["notes"][str(number)] = note
        try:
            self.writer.save()
        except BaseException:
            collection.update(before)
            self.writer.forget_waiting()
            raise

    def take_back(self) -> int:
        """Takes the last episode back, from the disk too, and returns the number of its start.

        Raises:
            DataError: Where there is none, and what `EpisodeWriter` raises.
        """
        before = copy.deepcopy(self._collection)
        number = self._collection["kept"].pop() if self._collection["kept"] else -1
        for name in ("marks", "notes"):
            self._collection[name].pop(str(number), None)
        try:
            self.writer.drop_last()
        except BaseException:
            self._collection.update(before)
            raise
        return number

    def skip(self, number: int) -> None:
        """Notes that a start was used, whose episode was dropped; it is written with the next that is kept."""
        self._collection["episodes_seen"] = max(self._collection["episodes_seen"], number + 1)
