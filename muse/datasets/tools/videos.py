"""Videos of the pictures in episodes: cameras beside one another, the step written above each frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.tools.success import success_of
from muse.utils.errors import nearest
from muse.utils.video import VideoWriter, add_caption, enlarge, fit_picture, is_picture, tile_frames


def picture_names(data: EpisodeData) -> list[str]:
    """Returns the step names that hold pictures: `(Y, X, 1)`, `(Y, X, 3)` or `(Y, X, 4)` uint8."""
    return [name for name, array in data.steps.items() if _is_picture(array)]


def write_episodes_video(
    path: str | os.PathLike[str],
    data: EpisodeData,
    episodes: Sequence[int],
    names: Sequence[str] = (),
    fps: float = 20.0,
    progress: Callable[[int], Any] = lambda done: None,
) -> int:
    """Writes an mp4 file of episodes, one after another, with number and step above each frame.

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
        DataError: For a name that holds no pictures, is not there, or is given twice, and for an episode that is not there.
        VideoError: For another ending of the name.
    """
    cameras = list(names) or picture_names(data)
    there = ", ".join(picture_names(data)) or "none"
    if not cameras:
        raise DataError(data.where, "no pictures", "a name (Y, X, 3) uint8 with a row per step")
    for name in cameras:
        if cameras.count(name) > 1:
            raise DataError(f"{data.where}: '{name}'", "given twice", "each camera once")
        if name not in data.steps:
            raise DataError(f"{data.where}: '{name}'", f"not there{nearest(name, data.steps)}", f"names with pictures: {there}")
        if not _is_picture(data.steps[name]):
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
            tiles.append(add_caption(enlarge(fit_picture(np.asarray(data.steps[name][row]), height, width)), "  ".join(words)))
        yield tile_frames(tiles) if len(tiles) > 1 else tiles[0]


def _is_picture(array: np.ndarray) -> bool:
    return is_picture(array.shape[1:], array.dtype)
