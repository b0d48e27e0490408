"""Videos: frames into an mp4 file as they come, several pictures beside one another, words above a picture.

with VideoWriter("videos/best.mp4", fps=20) as video:
    video.add(frame)                                # (Y, X, 3) uint8
"""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from muse.utils.errors import MuseError
from muse.utils.files import publish

#: What lies between tiled frames, on pictures light and dark.
GAP_GREY = 150
#: What lies behind text.
_DARK = 30
#: Pictures are enlarged to at least so many pixels a side, so that what is written above them can be read ...
_READABLE = 224
#: ... but to no more than so many.
_LARGEST = 1024
#: The lowest quality that libx264 knows.
_WORST_CRF = 51
#: Slowest and fastest frames [1/s].
_RATES = (0.01, 1000)


class VideoError(MuseError):
    """Frames that no video can be made of."""


class VideoWriter:
    """Writes frames to an mp4 file one at a time (H.264, as browsers play it); none is kept in memory.

    The file is written under a temporary name in the same folder and appears whole when the writer is closed; after an error
    in the `with` block, or without a frame, there is none. Frames with an odd side are repeated by one pixel, which the format
    asks for.

    Args:
        path: The file; ends in `.mp4`. Its folder is made when missing.
        fps: Frames per second [1/s], from 0.01 to 1000.
        quality: 0 (small) to 10 (good).

    Raises:
        VideoError: For another ending of the name, or another rate.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float = 20.0, quality: float = 7.0) -> None:
        self.path, self.fps, self.quality = Path(path), fps, quality
        if self.path.suffix != ".mp4":
            raise VideoError(str(path), f"ends in '{self.path.suffix}'", "a name that ends in '.mp4'")
        if not _RATES[0] <= fps <= _RATES[1]:
            raise VideoError(f"{path}: fps", str(fps), "from {} to {} frames per second".format(*_RATES))
        self.frames = 0
        self._shape: tuple[int, ...] = ()
        self._temporary: Path | None = None
        self._ffmpeg: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def add(self, frame: np.ndarray) -> None:
        """Appends a frame `(Y, X, 3)` uint8.

        Raises:
            VideoError: For another type or shape than the first frame's, and where ffmpeg gives up. No file is left then.
        """
        check_frame(frame, f"{self.path}: frame {self.frames}", self._shape or None)
        if self._ffmpeg is None:
            self._open(frame.shape)
        assert self._ffmpeg is not None and self._ffmpeg.stdin is not None
        try:
            self._ffmpeg.stdin.write(np.ascontiguousarray(_pad_to_even(frame)).data)
        except OSError as error:
            raise self._failure() from error
        self.frames += 1

    def close(self) -> None:
        """Finishes the file and gives it its name. May be called twice.

        Raises:
            VideoError: Where ffmpeg gave up. No file is left then.
        """
        if self._ffmpeg is None or self._temporary is None:
            return
        if self._end() or self._temporary.stat().st_size == 0:
            raise self._failure()
        with open(self._temporary, "rb") as file:
            os.fsync(file.fileno())
        publish(self._temporary, self.path)
        self._temporary = None
        self._forget()

    def discard(self) -> None:
        """Forgets the frames; a file of that name that was there before stays."""
        if self._ffmpeg is not None:
            self._ffmpeg.kill()
            self._end()
        self._forget()
        self.frames = 0

    def _end(self) -> int:
        """Lets ffmpeg finish; returns its status."""
        assert self._ffmpeg is not None and self._ffmpeg.stdin is not None
        # It may have gone before it took all.
        with contextlib.suppress(OSError):
            self._ffmpeg.stdin.close()
        return self._ffmpeg.wait()

    def _forget(self) -> None:
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
        if self._said is not None:
            self._said.close()
        self._temporary = self._ffmpeg = self._said = None

    def _failure(self) -> VideoError:
        assert self._said is not None
        self._end()
        self._said.seek(0)
        said = [line.strip() for line in self._said.read().decode(errors="replace").splitlines() if line.strip()]
        got = f"ffmpeg gave up, of frames of {self._shape[1]}x{self._shape[0]} pixels" + (f" ({said[0]})" if said else "")
        self.discard()
        return VideoError(str(self.path), got, "a size that H.264 knows (16384 a side at most), and room on the disk")

    def _open(self, shape: tuple[int, ...]) -> None:
        import imageio_ffmpeg

        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.stem}.", suffix=".tmp.mp4")
        os.close(handle)
        self._temporary, self._shape = Path(name), shape
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `_forget`
        size = f"{shape[1] + shape[1] % 2}x{shape[0] + shape[0] % 2}"
        frames = ["-f", "rawvideo", "-s", size, "-pix_fmt", "rgb24", "-r", f"{self.fps:.9g}", "-i", "-"]
        crf = str(int((1 - self.quality / 10) * _WORST_CRF))
        codec = ["-an", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", crf, "-preset", "veryfast", "-movflags", "+faststart"]
        # imageio_ffmpeg's own writer leaves its pipe open where ffmpeg is gone. A session of its own: ctrl-C is for us to answer.
        self._ffmpeg = subprocess.Popen(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *frames, *codec, name],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._said, start_new_session=True,
        )  # fmt: skip


def write_video(path: str | os.PathLike[str], frames: Iterable[np.ndarray], fps: float = 20.0) -> int:
    """Writes frames `(Y, X, 3)` uint8 to an mp4 file and returns how many there were.

    Raises:
        VideoError: When there are none, or they differ in shape.
    """
    with VideoWriter(path, fps) as video:
        for frame in frames:
            video.add(frame)
        if not video.frames:
            raise VideoError(str(path), "no frames", "at least one")
        return video.frames


def read_video(path: str | os.PathLike[str]) -> Iterator[np.ndarray]:
    """Yields the frames of a video, `(Y, X, 3)` uint8.

    Raises:
        VideoError: When it is no video, or there is no such file.
    """
    import imageio_ffmpeg

    # Portable pixmaps say their own size; the reader of imageio_ffmpeg leaves its pipes open.
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", os.fspath(path), "-f", "image2pipe", "-c:v", "ppm", "-"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            while process.stdout.readline():
                width, height = map(int, process.stdout.readline().split())
                process.stdout.readline()
                yield np.frombuffer(process.stdout.read(width * height * 3), np.uint8).reshape(height, width, 3)
            errors = process.stderr.read().decode(errors="replace").strip()
        finally:
            process.kill()
    if errors:
        raise VideoError(str(path), errors.splitlines()[-1], "a video")


def tile_frames(frames: Sequence[np.ndarray], columns: int = 0, gap: int = 4) -> np.ndarray:
    """Lays frames of one shape beside one another, row by row, on grey.

    Args:
        frames: `(Y, X, 3)` uint8 each.
        columns: Frames in a row; the nearest to a square when 0.
        gap: Pixels between frames.

    Returns:
        One frame.

    Raises:
        VideoError: When there are none, or they differ in shape.
    """
    if not len(frames):
        raise VideoError("tile_frames", "no frames", "at least one")
    for i, frame in enumerate(frames):
        check_frame(frame, f"tile_frames: frame {i}", frames[0].shape)
    columns = columns or math.ceil(math.sqrt(len(frames)))
    rows = math.ceil(len(frames) / columns)
    height, width, _ = frames[0].shape
    tiled = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), GAP_GREY, np.uint8)
    for i, frame in enumerate(frames):
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        tiled[y : y + height, x : x + width] = frame
    return tiled


def is_picture(shape: Sequence[int], dtype: Any) -> bool:
    """Whether an array of this shape and type is one picture: `(Y, X, 1)`, `(Y, X, 3)` or `(Y, X, 4)` uint8."""
    return len(shape) == 3 and shape[2] in (1, 3, 4) and 0 not in shape and np.dtype(dtype) == np.uint8


def fit_picture(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns a picture as a frame `(height, width, 3)`: enlarged by the largest whole factor that fits, on grey where that leaves room.

    Args:
        picture: See `is_picture`; a fourth channel is left out.
        height, width: At least those of the picture.
    """
    frame = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture[:, :, :3]
    frame = _repeat(frame, min(height // frame.shape[0], width // frame.shape[1]))
    if frame.shape[:2] == (height, width):
        return frame
    fitted = np.full((height, width, 3), GAP_GREY, np.uint8)
    fitted[: frame.shape[0], : frame.shape[1]] = frame
    return fitted


def lay_beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Returns one frame with pictures (see `is_picture`) in a row; smaller ones are enlarged where that fits."""
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    return tile_frames(
        [fit_picture(picture, height, width) for picture in pictures], columns=len(pictures), gap=1 + height // 128
    )


def enlarge(frame: np.ndarray) -> np.ndarray:
    """Returns a small frame enlarged by a whole factor, so that what is written above it can be read; a large one as it is."""
    height, width, _ = frame.shape
    return _repeat(frame, max(1, min(math.ceil(_READABLE / min(height, width)), _LARGEST // max(height, width))))


def add_caption(frame: np.ndarray, text: str, color: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """Returns `frame` under a dark bar with a line of text, so that nothing of the picture is hidden.

    Letters are smaller where the line would be too long.

    Args:
        frame: `(Y, X, 3)` uint8; not changed.
        text: One line.
        color: Of the letters, RGB.
    """
    from PIL import Image, ImageDraw, ImageFont

    check_frame(frame, "add_caption")
    size = max(9, min(16, frame.shape[0] // 16))
    bar = Image.new("RGB", (frame.shape[1], size + 8), (_DARK, _DARK, _DARK))
    draw = ImageDraw.Draw(bar)
    length = draw.textlength(text, font=ImageFont.load_default(size=size))
    font = ImageFont.load_default(size=max(7, size * min(1, (frame.shape[1] - 8) / max(1, length))))
    draw.text((4, 2), text, font=font, fill=color)
    return np.concatenate([np.asarray(bar), frame])


def check_frame(frame: np.ndarray, where: str, shape: tuple[int, ...] | None = None) -> None:
    """Raises `VideoError` unless `frame` is `(Y, X, 3)` uint8, of `shape` when given."""
    is_picture = isinstance(frame, np.ndarray) and frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8
    if not is_picture or 0 in frame.shape:
        got = f"shape {frame.shape} {frame.dtype}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise VideoError(where, got, "an array (Y, X, 3) uint8")
    if shape is not None and frame.shape != tuple(shape):
        raise VideoError(where, f"shape {frame.shape}", f"shape {tuple(shape)}, as the first frame has")


def _repeat(frame: np.ndarray, times: int) -> np.ndarray:
    return frame if times == 1 else frame.repeat(times, axis=0).repeat(times, axis=1)


def _pad_to_even(frame: np.ndarray) -> np.ndarray:
    height, width, _ = frame.shape
    if height % 2 == 0 and width % 2 == 0:
        return frame
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
