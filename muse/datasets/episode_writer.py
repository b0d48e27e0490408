"""Episodes written to a file as they come, of which none is kept in memory longer than it must be."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.batches import DERIVED_NAMES
from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData, join_parts
from muse.datasets.formats.npz import physical_memory
from muse.datasets.loading import format_of, read_file
from muse.datasets.numbers import check_finite, to_type
from muse.specs import EnvSpec, Episode

#: Bytes that wait before a folder grows by them; an episode that is larger is a part of its own.
_PART_BYTES = 2**26


class EpisodeWriter:
    """Writes episodes to a `.muse` folder, a part at a time, or to an `.npz` file, which is held in memory and written by `save`.

        writer = EpisodeWriter("data/images.muse", spec)
        writer.add_episode(episode)
        writer.save()                               # the rest of it

    After a crash a folder holds the episodes of whole parts, and the meta data as it was when the last of them was written. What is
    there of the name stays until the first part is written.

    Args:
        path: The dataset.
        env_spec: The names to write, with their roles; episodes may hold others. `final/success` (`muse.specs.SUCCESS`) among them
            is written from `Episode.success`.
        meta: The meta data, beside the spec.
        part_bytes: Bytes that may wait for a folder.
        there: What the file holds, as it was read, to go on after its episodes; None: what is there is replaced.

    Attributes:
        num_episodes, num_rows: Episodes and steps added, those `there` included.
        meta: May be changed; written with the episodes.

    Raises:
        DataError: For another ending of the name, and for names, shapes or types other than those `there`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        env_spec: EnvSpec,
        meta: Mapping[str, Any] | None = None,
        part_bytes: int = _PART_BYTES,
        there: EpisodeData | None = None,
    ) -> None:
        self.path, self.part_bytes = Path(path), part_bytes
        self.env_spec = EnvSpec.from_leaves(env_spec.leaf(name) for name in env_spec.all_names if name not in DERIVED_NAMES)
        self.meta = {**(meta or {}), "spec": self.env_spec.to_dict()}
        self._storage = format_of(path)
        self._can_grow = hasattr(self._storage, "append")
        self._onetime_names = [*self.env_spec.param_names, *self.env_spec.final_names]
        self._nothing = EpisodeData(
            self._empty(self.env_spec.names), self._empty(self._onetime_names), np.zeros(0, np.int64), where=str(path)
        )
        if there is not None:
            there.check_alike(self._nothing)
        self.num_episodes, self.num_rows = (0, 0) if there is None else (len(there.ends), there.num_rows)
        # What the file holds: episodes, None where there is none of this writer, and meta data.
        self._written = None if there is None else self.num_episodes
        self._written_meta = copy.deepcopy(self.meta)
        # What waits; what is to be written into an archive waits for ever.
        self._parts = [self._nothing if there is None or self._can_grow else there]
        self._held_bytes = _size_of(self._parts[0])

    def add_episode(self, episode: Episode) -> None:
        """Appends an episode; before that what waits is written, if that is a part.

        Raises:
            DataError: For numbers that are not finite or do not fit their type, an `.npz` file larger than the memory, and a folder
                that another program has written to. The episode is not taken then.
            SpecError: For a name that is missing or of another shape.
        """
        steps = self._fitted(episode.to_rows(), self.env_spec.names, (len(episode),))
        once = {name: array[None] for name, array in self._fitted(episode.to_onetime(), self._onetime_names, ()).items()}
        part = EpisodeData(steps, once, np.array([len(episode)]))
        size = _size_of(part)
        if self._can_grow:
            if self._held_bytes >= self.part_bytes:
                self.save()
        elif 2 * (self._held_bytes + size) > physical_memory():  # Once in episodes, once laid together.
            got = f"more than {self._held_bytes / 2**30:.1f} GiB of episodes"
            raise DataError(str(self.path), got, "what fits into memory twice", "a name that ends in .muse")
        self._parts.append(part)
        self._held_bytes += size
        self.num_episodes += 1
        self.num_rows += len(episode)

    def save(self) -> Path:
        """Writes what waits; a crash leaves what was there before, or all of it.

        Without a new episode and new meta data nothing is written.

        Raises:
            DataError: For a folder that another program has written to.
        """
        if (self._written or 0) == self.num_episodes and self._written_meta == self.meta:
            return self.path
        data = join_parts(self._parts, self.meta, str(self.path))
        if self._can_grow and self._written is not None:
            self._check_alone(self._storage.num_episodes(self.path))
            self._storage.append(self.path, data)
        else:
            self._storage.write(self.path, data)
        self._written, self._written_meta = self.num_episodes, copy.deepcopy(self.meta)
        self._parts = [self._nothing if self._can_grow else data]
        self._held_bytes = _size_of(self._parts[0])
        return self.path

    def forget_waiting(self) -> None:
        """Forgets the episodes that were added since the file was last written."""
        for part in self._parts[1:]:
            self.num_episodes -= len(part.ends)
            self.num_rows -= part.num_rows
        self._parts = self._parts[:1]
        self._held_bytes = _size_of(self._parts[0])

    def drop_last(self) -> None:
        """Takes the last episode back, from the file too, with the meta data as it is now.

        A crash leaves the file with it or without it.

        Raises:
            DataError: Without an episode, and for a folder that another program has written to.
        """
        if not self.num_episodes:
            raise DataError(str(self.path), "no episodes", "one to take back")
        meta, self.meta = self.meta, self._written_meta
        try:
            self.save()
        finally:
            self.meta = meta
        data = read_file(self.path) if self._can_grow else self._parts[0]
        self._check_alone(len(data.ends))
        end = int(data.ends[-2]) if len(data.ends) > 1 else 0
        if self._can_grow:
            self._storage.drop_last(self.path, meta)
        else:
            steps = {name: array[:end] for name, array in data.steps.items()}
            onetime = {name: array[:-1] for name, array in data.onetime.items()}
            kept = EpisodeData(steps, onetime, data.ends[:-1], meta, str(self.path))
            self._storage.write(self.path, kept)
            self._parts = [kept]
            self._held_bytes = _size_of(kept)
        self.num_episodes, self.num_rows = self.num_episodes - 1, end
        self._written, self._written_meta = self.num_episodes, copy.deepcopy(meta)

    def _check_alone(self, there: int) -> None:
        """Raises `DataError` when the file holds another number of episodes than were written."""
        if there != self._written:
            raise DataError(str(self.path), f"{there} episodes", f"the {self._written} written so far", "one writer at a time")

    def _empty(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        leaves = [self.env_spec.leaf(name) for name in names]
        return {leaf.name: np.empty((0, *leaf.shape), leaf.dtype) for leaf in leaves}

    def _fitted(self, arrays: Mapping[str, Any], names: Sequence[str], lead: tuple[int, ...]) -> dict[str, np.ndarray]:
        where = f"{self.path}: episode {self.num_episodes}"
        self.env_spec.check(arrays, names, lead, where)
        fitted = {name: to_type(np.asarray(arrays[name]), self.env_spec.leaf(name).dtype, f"{where}: '{name}'") for name in names}
        for name, array in fitted.items():
            check_finite(array if lead else array[None], f"{where}: '{name}'")
        return fitted


def _size_of(data: EpisodeData) -> int:
    """Returns the bytes of the arrays."""
    return sum(array.nbytes for array in (*data.steps.values(), *data.onetime.values()))
