"""Videos of the pictures in episodes: cameras beside one another, the step written on each frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.tools.success import success_of
from muse.utils.errors import nearest
from muse.utils.video import GAP_GREY, VideoWriter, draw_text, tile_frames

#: Smaller pictures are enlarged by whole factors to at least so many rows, so that what is written on them can be read.
_MIN_HEIGHT = 224


def picture_names(data: EpisodeData) -> list[str]:
    """Returns the step names that hold pictures: `(Y, X, 1)`, `(Y, X, 3)` or `(Y, X, 4)` uint8."""
    return [name for name, array in data.steps.items() if is_picture(array)]


def write_episodes_video(
    path: str | os.PathLike[str],
    data: EpisodeData,
    episodes: Sequence[int],
    names: Sequence[str] = (),
    fps: float = 20.0,
    progress: Callable[[int], Any] = lambda done: None,
) -> int:
    """Writes an mp4 file of episodes, one after another, with number and step on each frame.

    Args:
        path: The file; ends in `.mp4`, and appears whole.
        data: Episodes.
        episodes: Their numbers.
        names: Cameras, tiled in that order; all that hold pictures when empty.
        fps: Frames per second [1/s].
        progress: Is told how many frames are written.

    Returns:
        The number of frames.

    Raises:
        DataError: For a name that holds no pictures, or is not there, and for an episode that is not there.
        VideoError: For another ending of the name.
    """
    cameras = list(names) or picture_names(data)
    there = ", ".join(picture_names(data)) or "none"
    if not cameras:
        raise DataError(data.where, "no pictures", "a name (Y, X, 3) uint8 with a row per step")
    for name in cameras:
        if name not in data.steps:
            raise DataError(f"{data.where}: '{name}'", f"not there{nearest(name, data.steps)}", f"names with pictures: {there}")
        if not is_picture(data.steps[name]):
            got = f"shape {data.steps[name].shape[1:]} {data.steps[name].dtype}, no picture"
            raise DataError(f"{data.where}: '{name}'", got, "(Y, X, 3) uint8", f"names with pictures: {there}")
    for number in episodes:
        if not 0 <= number < len(data.ends):
            raise DataError(f"{data.where}: episode {number}", "not there", f"a number below {len(data.ends)}")
    with VideoWriter(path, fps) as video:
        for number in episodes:
            for frame in _frames(data, number, cameras):
                video.add(frame)
                progress(video.frames)
        return video.frames


def _frames(data: EpisodeData, number: int, cameras: Sequence[str]) -> Iterator[np.ndarray]:
    begin, end = int(data.ends[number - 1]) if number else 0, int(data.ends[number])
    height, width = (max(data.steps[name].shape[axis] for name in cameras) for axis in (1, 2))
    success = success_of(data)
    verdict = "" if success is None else "  solved" if success.values[number] else "  not solved"
    for row in range(begin, end):
        step = f"episode {number}  {row - begin}/{end - begin - 1}{verdict if row == end - 1 else ''}"
        tiles = []
        for i, name in enumerate(cameras):
            words = [step] if i == 0 else []
            words += [name] if len(cameras) > 1 else []
            tiles.append(draw_text(_tile(data.steps[name][row], height, width), "  ".join(words)))
        yield tile_frames(tiles) if len(tiles) > 1 else tiles[0]


def _tile(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns a picture in three colours, on grey where others are larger, enlarged where it is small."""
    picture = np.asarray(picture)
    picture = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture[:, :, :3]
    fits = max(1, min(height // picture.shape[0], width // picture.shape[1]))
    picture = picture.repeat(fits, axis=0).repeat(fits, axis=1)
    if picture.shape[:2] != (height, width):
        padded = np.full((height, width, 3), GAP_GREY, np.uint8)
        padded[: picture.shape[0], : picture.shape[1]] = picture
        picture = padded
    times = max(1, -(-_MIN_HEIGHT // height))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def is_picture(array: np.ndarray) -> bool:
    """Returns whether a step name holds pictures, `(N, Y, X, C)` uint8."""
    return array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] in (1, 3, 4) and 0 not in array.shape[1:]
