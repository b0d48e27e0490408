"""Episodes as a video: several at once, tiled, with their step and success written above them."""

from __future__ import annotations

import io
import logging
import os
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from muse.envs.vector_env import VectorEnv
from muse.rollouts.pictures import Pictures
from muse.rollouts.recorder import Recorder
from muse.specs import Episode
from muse.utils.video import GAP_GREY, VideoError, VideoWriter, add_caption, enlarge, tile_frames

_log = logging.getLogger(__name__)

_WHITE, _GREEN, _RED = (255, 255, 255), (120, 230, 140), (255, 130, 120)
#: Quality of frames that wait for others; better than what the video keeps of them.
_JPEG_QUALITY = 92
#: Smaller frames wait as they are: they are enlarged, and show whatever they lose [bytes].
_SMALL = 2**18
#: How long the last frame of an episode stays [s].
_HOLD = 1.0


class VideoRecorder(Recorder):
    """Writes the first `episodes` episodes of a queue to an mp4 file.

    `tile` episodes play at a time, each from its first frame on, in a grid; an episode that is over shows its last frame, with
    its success, until all of them are over and the next ones begin. Frames are written as soon as every episode of the grid has
    come so far; until then they wait, compressed, so that the video is the same whatever the number of envs.

    Args:
        path: The file; ends in `.mp4`.
        fps: Frames, and so steps of an env, per second [1/s].
        episodes: Episodes to record.
        tile: Episodes that play at a time; all, but at most nine, when 0.
        image_names: Observations that hold pictures, shown beside one another; none: what the env renders.
        raw: Show pictures as they are. Otherwise small ones are enlarged, and episode, step and success written above them.

    Raises:
        VideoError: For numbers that make no video; while recording, when the env has no picture.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fps: float = 20.0,
        episodes: int = 4,
        tile: int = 0,
        image_names: Sequence[str] = (),
        raw: bool = False,
    ) -> None:
        if episodes < 1 or tile < 0:
            raise VideoError(
                f"VideoRecorder: {path}", f"{episodes} episodes, {tile} at a time", "at least 1 episode, and a tile of 0 or more"
            )
        self.path, self.fps, self.episodes, self.raw = path, fps, episodes, raw
        self.tile = min(tile or 9, episodes)
        self._writer = VideoWriter(path, fps)
        self._hold = max(1, round(_HOLD * fps))
        self._pictures = Pictures(image_names, f"VideoRecorder: {path}")
        self._clips: dict[int, _Clip] = {}
        self._recorded: dict[int, int] = {}
        self._page = 0

    def start(self, env: VectorEnv) -> None:
        """Begins a new file of the same name; that of an earlier queue is finished first."""
        self.close()
        self._pictures.start(env)
        self._clips, self._recorded, self._page = {}, {}, 0
        self._writer = VideoWriter(self.path, self.fps)

    def begin(self, row: int, index: int, seed: int | None) -> None:
        """Takes the first frame of an episode."""
        if index < self.episodes:
            self._recorded[row] = index
            self._clips.setdefault(index, _Clip(index, self.raw))
            self._take([row])

    def step(self, rows: np.ndarray) -> None:
        """Takes a frame of every recorded episode that was stepped."""
        recorded = [row for row in np.flatnonzero(rows).tolist() if row in self._recorded]
        if recorded:
            self._take(recorded)
            self._write_ready()

    def end(self, row: int, index: int, episode: Episode) -> None:
        """Shows the last frame a little longer, with the episode's success."""
        if index < self.episodes:
            del self._recorded[row]
            word, color = ("success", _GREEN) if episode.success else ("failure", _RED)
            self._clips[index].finish(word, color, self._hold)
            self._write_ready()

    def fail(self, row: int, index: int, is_lost: bool) -> None:
        """Waits for the episode's next attempt, or shows how far it came."""
        if index < self.episodes:
            self._recorded.pop(row, None)
            clip = self._clips.setdefault(index, _Clip(index, self.raw))
            if is_lost:
                clip.finish("crashed", _RED, self._hold)
                self._write_ready()
            else:
                clip.rewind()

    def close(self) -> None:
        """Writes what waits and finishes the file. An episode that was not finished is shown as far as it came."""
        for clip in self._clips.values():
            clip.is_over = True
        if self._clips and not self._writer.frames:
            self.tile = min(self.tile, len(self._clips))
        self._write_ready(is_last=True)
        self._recorded = {}
        if self._writer.frames:
            self._writer.close()
            _log.info("wrote %s", self.path)

    def _take(self, rows: list[int]) -> None:
        for row, frame in self._pictures.take(rows).items():
            self._clips[self._recorded[row]].add(frame)

    def _write_ready(self, is_last: bool = False) -> None:
        """Writes every picture whose frames are all there; `is_last` when no other episode will come."""
        while True:
            first = self._page * self.tile
            wanted = range(first, min(first + self.tile, self.episodes))
            clips = [self._clips[index] for index in wanted if index in self._clips]
            if not clips or (len(clips) < len(wanted) and not is_last) or not all(clip.is_ready for clip in clips):
                return
            if all(clip.is_exhausted for clip in clips):
                for clip in clips:
                    del self._clips[clip.index]
                self._page += 1
                continue
            frames = [clip.pop() for clip in clips]
            blank = np.full_like(next(frame for frame in frames if frame is not None), GAP_GREY)
            shown = [blank if frame is None else frame for frame in frames] + [blank] * (self.tile - len(frames))
            self._writer.add(tile_frames(shown) if self.tile > 1 else shown[0])


class _Frame(NamedTuple):
    """A frame that waits: its picture, compressed, and what will be written above it."""

    picture: bytes
    text: str
    color: tuple[int, int, int]


class _Clip:
    """The frames of one episode that wait to be written."""

    def __init__(self, index: int, raw: bool) -> None:
        self.index, self.raw = index, raw
        self.is_over = False
        self._waiting: deque[_Frame] = deque()
        self._last = b""
        self._popped_frame: _Frame | None = None
        self._shown: np.ndarray | None = None
        self._steps = -1
        self._popped = 0

    @property
    def is_ready(self) -> bool:
        return bool(self._waiting) or self.is_over

    @property
    def is_exhausted(self) -> bool:
        return self.is_over and not self._waiting

    def add(self, frame: np.ndarray) -> None:
        self._steps += 1
        self._last = _pack(frame)
        if self._steps >= self._popped:
            self._waiting.append(_Frame(self._last, f"episode {self.index}  step {self._steps}", _WHITE))

    def rewind(self) -> None:
        """Begins the episode again. Its frames that are written already will come again, and are not written twice."""
        self._waiting.clear()
        self._steps = -1

    def finish(self, word: str, color: tuple[int, int, int], hold: int) -> None:
        """Adds the last frame once more, with how it ended on it, and holds it; nothing for an episode without a frame."""
        if self._last:
            last = _Frame(self._last, f"episode {self.index}  step {self._steps}  {word}", color)
            self._waiting.extend([last] * hold)
        self.is_over = True

    def pop(self) -> np.ndarray | None:
        """Returns the next frame; the last one again when there is none; None before the first."""
        if self._waiting:
            frame = self._waiting.popleft()
            self._popped += 1
            if frame is not self._popped_frame:
                self._popped_frame, picture = frame, _unpack(frame.picture)
                self._shown = picture if self.raw else add_caption(enlarge(picture), frame.text, frame.color)
        return self._shown


def _pack(frame: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    if frame.nbytes < _SMALL:
        Image.fromarray(frame).save(buffer, "PNG", compress_level=1)
    else:
        Image.fromarray(frame).save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def _unpack(picture: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image)
