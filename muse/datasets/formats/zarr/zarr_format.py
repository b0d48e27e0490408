"""diffusion_policy's replay buffers as a format like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.format import Format, Tell, tell_nobody
from muse.datasets.formats.work import Work
from muse.datasets.formats.zarr.reading import read
from muse.datasets.formats.zarr.writing import COMPRESSORS, write
from muse.utils.abstract import Argument


class ZarrFormat(Format):
    """diffusion_policy's replay buffers."""

    name, suffixes = "zarr", (".zarr", ".zarr.zip")
    libraries = ("zarr",)
    predefined_arguments = [
        Argument(
            "compressor",
            type=str,
            default="lz4",
            choices=tuple(COMPRESSORS),
            help="how written arrays are packed: zstd is smaller than lz4, and slower",
        ),
    ]

    compressor: str

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """See `Format.recognizes`."""
        return (path / ".zgroup").is_file() and (path / "data").is_dir()

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
        return write(path, data, names, splits, self.compressor, work, progress)
