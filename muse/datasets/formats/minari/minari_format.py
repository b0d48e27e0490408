"""Minari's datasets as a format like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.format import Format, Tell, tell_nobody
from muse.datasets.formats.minari.reading import FILE, TABLE, data_folder, read
from muse.datasets.formats.minari.writing import write
from muse.datasets.formats.work import Work
from muse.utils.abstract import Argument


class MinariFormat(Format):
    """Minari's datasets."""

    name = "minari"
    libraries = ("h5py",)
    predefined_arguments = [
        Argument(
            "dataset_id",
            type=str,
            default="",
            help="what Minari is to call a written dataset, [namespace/]name-v0 (default: as its folder is called)",
        ),
    ]

    dataset_id: str

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """See `Format.recognizes`."""
        folder = data_folder(path)
        return (folder / TABLE).is_file() and (folder / FILE).is_file()

    def read(
        self, path: Path, names: Mapping[str, str], splits: Iterable[str], work: Work, progress: Tell = tell_nobody
    ) -> tuple[EpisodeData, list[Fate]]:
        """See `Format.read`."""
        return read(path, names, splits, work, progress, self.finite)

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
        return write(path, data, names, splits, self.dataset_id, work, progress)
