"""Muse's own two forms as formats like any other: `.npz` archives and `.muse` folders."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from muse.datasets.formats import folder, npz
from muse.datasets.formats.building import build_file, build_folder
from muse.datasets.formats.columns import DERIVED, Column, read_columns, renamed_meta
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.format import Format, Tell, tell_nobody
from muse.datasets.formats.plan import Plan
from muse.datasets.formats.work import Work
from muse.datasets.loading import read_file, read_raw


class NativeFormat(Format):
    """What both have in common: arrays by Muse's own names, which are taken as they are unless a caller wants it otherwise."""

    def read(
        self, path: Path, names: Mapping[str, str], splits: Iterable[str], work: Work, progress: Tell = tell_nobody
    ) -> tuple[EpisodeData, list[Fate]]:
        """See `Format.read`. Arrays of a folder are mapped from there, unless only some episodes are wanted."""
        return _choose(read_file(path) if self.finite else read_raw(path), names, tuple(splits), work, progress)

    def write(
        self,
        path: Path,
        data: EpisodeData,
        names: Mapping[str, str],
        splits: Iterable[str],
        work: Work,
        progress: Tell = tell_nobody,
    ) -> list[Fate]:
        """See `Format.write`."""
        chosen, fates = _choose(data, names, tuple(splits), work, progress)
        self.save(path, chosen, work)
        return fates

    @abstractmethod
    def save(self, path: Path, data: EpisodeData, work: Work) -> None:
        """Writes episodes; a crash leaves the old ones or the new."""


class NpzFormat(NativeFormat):
    """Muse's archive of arrays."""

    name, suffixes = "npz", (".npz",)

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """See `Format.recognizes`."""
        return path.name.endswith(cls.suffixes)

    def save(self, path: Path, data: EpisodeData, work: Work) -> None:
        """See `NativeFormat.save`."""
        with build_file(path, work) as whole:
            npz.write(whole, data)


class MuseFormat(NativeFormat):
    """Muse's memory-mapped folder, for images and for data larger than memory."""

    name, suffixes = "muse", (".muse",)

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """See `Format.recognizes`."""
        return path.name.endswith(cls.suffixes)

    def save(self, path: Path, data: EpisodeData, work: Work) -> None:
        """See `NativeFormat.save`."""
        with build_folder(path, work) as whole:
            folder.write(whole, data)


def _choose(
    data: EpisodeData, names: Mapping[str, str], splits: tuple[str, ...], work: Work, progress: Tell
) -> tuple[EpisodeData, list[Fate]]:
    """Returns the episodes of some splits under other names, and what became of every name."""
    plan = Plan(data, names, splits, lambda name, role, is_onetime: name)
    kept = plan.kept()
    columns = list(kept.columns.values())
    arrays: Mapping[str, np.ndarray] = {place: plan.array(column.name) for place, column in kept.columns.items()}
    if splits:

        def fetch(number: int, column: Column) -> np.ndarray:
            return plan.values(column.name, number)

        read = read_columns(columns, plan.selection.lengths, fetch, work, progress, data.where)
        arrays = {place: read[column.name] for place, column in kept.columns.items()}
    renamed = {column.name: place for place, column in kept.columns.items()}
    meta = renamed_meta(kept.meta, renamed)
    steps = {place: arrays[place] for place, column in kept.columns.items() if not column.is_onetime}
    onetime = {place: arrays[place] for place, column in kept.columns.items() if column.is_onetime}
    ends = np.cumsum(plan.selection.lengths, dtype=np.int64)
    derived = [Fate(name, name, "follows from the episodes") for name in DERIVED]
    return EpisodeData(steps, onetime, ends, meta, data.where), [*plan.fates("_meta"), *derived]
