"""Episodes written to a file as they come, of which none is kept in memory longer than it must be."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.npz import physical_memory
from muse.datasets.loading import format_of
from muse.datasets.numbers import check_finite, to_type
from muse.specs import EnvSpec, Episode
from muse.utils.attrdicts import flatten

#: Bytes that wait before a folder grows by them; an episode that is larger is a part of its own.
_PART_BYTES = 2**26


class EpisodeWriter:
    """Writes episodes to a new `.muse` folder, a part at a time, or to a new `.npz` file, which is held in memory until `save`.

        writer = EpisodeWriter("data/images.muse", spec)
        writer.add_episode(episode)
        writer.save()                               # the rest of it

    After a crash a folder holds the episodes of whole parts. What is there of the name stays until the first part is written.

    Args:
        path: The dataset.
        env_spec: The names to write, with their roles; episodes may hold others.
        meta: The meta data, beside the spec.
        part_bytes: Bytes that may wait for a folder.

    Attributes:
        num_episodes: How many were added.

    Raises:
        DataError: For another ending of the name.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        env_spec: EnvSpec,
        meta: Mapping[str, Any] | None = None,
        part_bytes: int = _PART_BYTES,
    ) -> None:
        self.path, self.env_spec, self.part_bytes = Path(path), env_spec, part_bytes
        self.meta = {**(meta or {}), "spec": env_spec.to_dict()}
        self.num_episodes = 0
        self._storage = format_of(path)
        self._can_grow = hasattr(self._storage, "append")
        self._step_names = [name for name in env_spec.names if name != "done"]
        self._onetime_names = [*env_spec.param_names, *env_spec.final_names]
        self._held: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray], int]] = []
        self._held_bytes = 0
        self._written = 0

    def add_episode(self, episode: Episode) -> None:
        """Appends an episode.

        Raises:
            DataError: For numbers that are not finite or do not fit their type, an `.npz` file larger than the memory, and a folder
                that another program has written to.
            SpecError: For a name that is missing or of another shape.
        """
        steps = self._fitted(dict(episode.to_rows()), self._step_names, (len(episode),))
        onetime = self._fitted(flatten(episode.onetime), self._onetime_names, ())
        self._held.append((steps, onetime, len(episode)))
        self._held_bytes += sum(array.nbytes for array in (*steps.values(), *onetime.values()))
        self.num_episodes += 1
        if self._can_grow:
            if self._held_bytes >= self.part_bytes:
                self.save()
        elif 2 * self._held_bytes > physical_memory():  # Once in episodes, once laid together.
            got = f"more than {self._held_bytes / 2**30:.1f} GiB of episodes"
            raise DataError(str(self.path), got, "what fits into memory twice", "a name that ends in .muse")

    def save(self) -> Path:
        """Writes what waits; a crash leaves what was there before, or all of it. Without an episode nothing is written."""
        if self._written == self.num_episodes:
            return self.path
        kinds = [{name: [held[kind][name] for held in self._held] for name in self._held[0][kind]} for kind in (0, 1)]
        steps = {name: np.concatenate(arrays) for name, arrays in kinds[0].items()}
        onetime = {name: np.stack(arrays) for name, arrays in kinds[1].items()}
        ends = np.cumsum([held[2] for held in self._held], dtype=np.int64)
        data = EpisodeData(steps, onetime, ends, self.meta, str(self.path))
        if self._can_grow and self._written:
            there = self._storage.num_episodes(self.path)
            if there != self._written:
                raise DataError(
                    str(self.path), f"{there} episodes", f"the {self._written} written so far", "one writer at a time"
                )
            self._storage.append(self.path, data)
        else:
            self._storage.write(self.path, data)
        self._written = self.num_episodes
        if self._can_grow:
            self._held, self._held_bytes = [], 0
        return self.path

    def _fitted(self, arrays: Mapping[str, Any], names: Sequence[str], lead: tuple[int, ...]) -> dict[str, np.ndarray]:
        where = f"{self.path}: episode {self.num_episodes}"
        self.env_spec.check(arrays, names, lead, where)
        fitted = {name: to_type(np.asarray(arrays[name]), self.env_spec.leaf(name).dtype, f"{where}: '{name}'") for name in names}
        for name, array in fitted.items():
            check_finite(array if lead else array[None], f"{where}: '{name}'")
        return fitted
