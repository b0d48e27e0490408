"""Videos: an episode's frames into a file, files joined without encoding anew, frames out of a file by their time."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.utils.errors import brief
from muse.utils.files import atomic_write
from muse.utils.optional import require

#: The encoders that LeRobot offers everywhere.
CODECS = ("libsvtav1", "h264", "hevc")
#: Every second frame stands for itself, so that single frames are found fast: LeRobot's choice.
_GROUP = 2
#: Frames this far ahead [s] are looked up, nearer ones are decoded up to.
_SEEK_SECONDS = 2.0
_PIXELS = "yuv420p"


def encode(path: Path, frames: Iterable[np.ndarray], shape: tuple[int, ...], fps: int, codec: str, crf: int) -> None:
    """Writes frames `(Y, X, 3)` uint8 to an mp4 file, frame `i` at the time `i / fps`; whole or not at all.

    Raises:
        DataError: Where the encoder refuses them.
    """
    av = _av()
    options = {"crf": str(crf), "g": str(_GROUP)}
    if codec == "libsvtav1":
        options["preset"] = "12"
    else:
        # Without frames that follow from later ones every file begins at its first, and files can be joined.
        options["bf"] = "0"
    if codec == "hevc":
        options["x265-params"] = "log-level=none"
    try:
        with atomic_write(path) as file, av.open(file, "w", format="mp4") as output:
            stream = output.add_stream(codec, fps, options=options)
            stream.pix_fmt, (stream.height, stream.width) = _PIXELS, shape[:2]
            for number, frame in enumerate(frames):
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                picture.pts, picture.time_base = number, Fraction(1, fps)
                output.mux(stream.encode(picture))
            output.mux(stream.encode())
    except av.error.FFmpegError as error:
        hint = "another codec, or pictures in the parquet files (--no-video, video=False)"
        raise DataError(f"encoding {path.name} with {codec}", f"refused: {error}", f"pictures, not {shape}", hint) from error


def join(path: Path, segments: Sequence[tuple[Path, int]], fps: int) -> None:
    """Joins videos of the same kind, frames as they are.

    Args:
        segments: File and number of frames of each.
    """
    av = _av()
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as output:
        stream, begin = None, 0
        for segment, frames in segments:
            with av.open(str(segment)) as source:
                came = source.streams.video[0]
                if stream is None:
                    stream = output.add_stream_from_template(came, opaque=True)
                    stream.time_base = came.time_base
                shift = Fraction(begin, fps) / came.time_base
                for packet in source.demux(came):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + int(shift), packet.dts + int(shift)
                    packet.stream = stream
                    output.mux(packet)
            begin += frames


def describe(path: Path, fps: int) -> dict[str, Any]:
    """Returns what LeRobot says of a video in `info.json`."""
    with _av().open(str(path)) as container:
        stream = container.streams.video[0]
        return {
            "video.height": stream.height, "video.width": stream.width, "video.codec": stream.codec.canonical_name,
            "video.pix_fmt": stream.pix_fmt, "video.fps": fps, "video.channels": 3, "video.is_depth_map": False,
            "has_audio": False,
        }  # fmt: skip


class Frames:
    """The frames of a video by time, decoded one after another; one is in memory. A context manager.

    Args:
        path: The file.
        shape: `(Y, X, 3)`, what every frame must have.
        tolerance: A frame may be this far from its time [s].

    Raises:
        DataError: For a file that is missing, no video, or of another shape.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], tolerance: float) -> None:
        self.path, self.shape, self.tolerance = path, shape, tolerance
        if shape[2] != 3:
            raise DataError(
                str(path), f"pictures of {shape[2]} channels, as info.json says", "3 in a video", "leave the feature out"
            )
        self._error = _av().error.FFmpegError
        with self._reading():
            self._container = _av().open(str(path))
        try:
            if not self._container.streams.video:
                raise DataError(str(path), "no video in it", f"one of {shape}")
            self._stream = self._container.streams.video[0]
            self._check_size(self._stream.height, self._stream.width)
            self._restart()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def at(self, times: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the frame nearest to each time, `(Y, X, 3)` uint8.

        Args:
            times: Seconds from the file's beginning, rising.

        Raises:
            DataError: For a time without a frame, and for a file that is cut short.
        """
        if len(times):
            self._go_to(float(times[0]))
        for time in map(float, times):
            while self._next is not None and self._time(self._next) <= time:
                self._advance()
            found = min(
                (f for f in (self._now, self._next) if f is not None), key=lambda f: abs(self._time(f) - time), default=None
            )
            if found is None or abs(self._time(found) - time) > self.tolerance:
                near = "none at all" if found is None else f"the nearest is at {self._time(found):.6f} s"
                hint = "copy or download it again; tolerance_s, if its times are that inexact"
                got = f"no frame at {time:.6f} s ({near})"
                raise DataError(str(self.path), got, f"one within {self.tolerance} s", hint)
            self._check_size(found.height, found.width)
            with self._reading():
                yield found.to_ndarray(format="rgb24")

    def _go_to(self, time: float) -> None:
        """Moves so that the frame at `time` is still to come."""
        if self._now is not None and self._time(self._now) > time + self.tolerance:
            self._restart()
        here = self._time(self._next) if self._next is not None else math.inf
        if not here < time - _SEEK_SECONDS:
            return
        self._restart(time - self.tolerance)
        if self._next is None or self._time(self._next) > time + self.tolerance:
            # Not every file says truly where its frames are.
            self._restart()

    def _restart(self, time: float | None = None) -> None:
        with self._reading():
            if time is None and getattr(self, "_frames", None) is not None:
                self._container.seek(0)
            elif time is not None:
                self._container.seek(int(time / self._stream.time_base), stream=self._stream)
            self._frames = self._container.decode(self._stream)
        self._now: Any = None
        self._next: Any = None
        self._advance()

    def _advance(self) -> None:
        self._now = self._next
        with self._reading():
            self._next = next((frame for frame in self._frames if frame.pts is not None), None)

    def _time(self, frame: Any) -> float:
        return float(frame.pts * self._stream.time_base)

    def _check_size(self, height: int, width: int) -> None:
        if (height, width, 3) != self.shape:
            raise DataError(
                str(self.path), f"frames of {height} x {width}", f"{self.shape[0]} x {self.shape[1]}, as info.json says"
            )

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise DataError(str(self.path), "no such file", "the video of an episode", "download the dataset again") from error
        except (self._error, OSError, ValueError) as error:
            raise DataError(
                str(self.path), f"cut short or no video ({brief(error)})", "an mp4 file", "download it again"
            ) from error


def _av() -> Any:
    # SVT-AV1 tells of itself on the standard error stream for every file otherwise.
    os.environ.setdefault("SVT_LOG", "1")
    return require("av", "lerobot", "LeRobot's videos")
