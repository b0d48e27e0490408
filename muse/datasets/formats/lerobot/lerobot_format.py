"""LeRobot's datasets as a format like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.format import Format, Tell, tell_nobody
from muse.datasets.formats.lerobot.layout import Options
from muse.datasets.formats.lerobot.reading import Reader
from muse.datasets.formats.lerobot.survey import looks_like
from muse.datasets.formats.lerobot.videos import CODECS
from muse.datasets.formats.lerobot.writing import write
from muse.datasets.formats.work import Work
from muse.utils.abstract import Argument
from muse.utils.errors import OptionError


class LeRobotFormat(Format):
    """LeRobot's datasets, version 3.0."""

    name = "lerobot"
    libraries = ("pyarrow.parquet", "pyarrow.compute", "av")
    predefined_arguments = [
        Argument("fps", type=int, help="rows a second; when not given the control frequency, or 20", unit="Hz"),
        Argument("task", type=str, default="", help="text of the task in every episode; that of the data when not given"),
        Argument("video", type=bool, default=True, help="pictures become videos; else PNG files, which lose nothing"),
        Argument("codec", type=str, default="libsvtav1", choices=CODECS, help="encoder of the videos"),
        Argument("crf", type=int, default=30, help="what the encoder may lose: 0 is the least, 51 the most"),
        Argument("join_observations", type=bool, default=True, help="observations of floats are one vector"),
        Argument("data_files_size_in_mb", type=int, default=100, help="a parquet file has about this size at most", unit="MB"),
        Argument("video_files_size_in_mb", type=int, default=200, help="a video file has about this size at most", unit="MB"),
        Argument("tolerance_s", type=float, default=1e-4, help="how far a frame may be from its row's time", unit="s"),
    ]  # fmt: skip

    fps: int | None
    task: str
    video: bool
    codec: str
    crf: int
    join_observations: bool
    data_files_size_in_mb: int
    video_files_size_in_mb: int
    tolerance_s: float

    def __init__(self, params: Mapping[str, object] | None = None, finite: bool = True) -> None:
        super().__init__(params, finite)
        size = (1, 10**6)
        ranges = {"fps": (1, 10**4), "crf": (0, 51), "tolerance_s": (0, 1)}
        ranges |= {"data_files_size_in_mb": size, "video_files_size_in_mb": size}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise OptionError(f"LeRobotFormat option '{name}'", repr(value), f"{low} to {high}")

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """See `Format.recognizes`."""
        return looks_like(path)

    def read(
        self, path: Path, names: Mapping[str, str], splits: Iterable[str], work: Work, progress: Tell = tell_nobody
    ) -> tuple[EpisodeData, list[Fate]]:
        """See `Format.read`. Names are features; `observation.state/<name>` is a part that Muse joined, `task` a text."""
        return Reader(Path(path), self.tolerance_s, self.finite).read(names, splits, work, progress)

    def write(
        self,
        path: Path,
        data: EpisodeData,
        names: Mapping[str, str],
        splits: Iterable[str],
        work: Work,
        progress: Tell = tell_nobody,
    ) -> list[Fate]:
        """See `Format.write`. Places are features, or `<feature>/<name>` for names that are to lie side by side in one."""
        sizes = self.data_files_size_in_mb, self.video_files_size_in_mb
        options = Options(self.fps, self.task, self.video, self.codec, self.crf, self.join_observations, *sizes)
        return write(Path(path), data, names, splits, options, work, progress)
