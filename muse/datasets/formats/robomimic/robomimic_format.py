"""robomimic's HDF5 files as a format like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.format import Format, Tell, tell_nobody
from muse.datasets.formats.robomimic.reading import Reader
from muse.datasets.formats.robomimic.writing import write
from muse.datasets.formats.work import Work
from muse.utils.abstract import Argument


class RobomimicFormat(Format):
    """robomimic's HDF5 files."""

    name, suffixes = "robomimic", (".hdf5", ".h5")
    libraries = ("h5py",)
    predefined_arguments = [
        Argument("ep_prefix", type=str, default="demo_", help="what robomimic's episodes are called, before the number"),
    ]

    ep_prefix: str

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """See `Format.recognizes`."""
        try:
            with open(path, "rb") as file:
                return file.read(8) == b"\x89HDF\r\n\x1a\n"
        except OSError:
            return False

    def read(
        self, path: Path, names: Mapping[str, str], splits: Iterable[str], work: Work, progress: Tell = tell_nobody
    ) -> tuple[EpisodeData, list[Fate]]:
        """See `Format.read`. Names are places in a demonstration (`obs/object`), splits are filter keys."""
        with Reader(path, self.ep_prefix, splits) as reader:
            return reader.read(names, work, progress, self.finite)

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
        return write(path, data, names, splits, self.ep_prefix, work, progress)
