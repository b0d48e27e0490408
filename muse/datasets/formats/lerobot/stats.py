"""Statistics as LeRobot keeps them, of each episode and of all: its policies scale their inputs by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from muse.datasets.formats.lerobot.features import Feature

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
#: Pictures looked at in an episode of T: all up to the first number, then T ** power up to the second.
_MIN_PICTURES, _MAX_PICTURES, _POWER = 100, 10_000, 0.75
#: Larger pictures are thinned out to about the second number of pixels a side.
_LARGE_SIDE, _THINNED_SIDE = 300, 150

#: Numbers of an episode that statistics are made of at once.
_MAX_ELEMENTS = 2**24

#: Of one feature: `min`, `max`, `mean`, `std`, `count` `(1,)` and the quantiles.
Stats = dict[str, np.ndarray]


def has_stats(feature: Feature) -> bool:
    """Returns whether LeRobot can have statistics of a feature.

    It has none of text. And it takes every key with `image` in it for a picture, and refuses statistics of another shape there.
    """
    return feature.dtype != "string" and (feature.is_picture or "image" not in feature.key)


def stats_of(values: np.ndarray) -> Stats:
    """Returns the statistics of the rows of an episode, `(T, *shape)`, each `(*shape)`.

    Where the rows are very large, all but `min` and `max` are of a sample of them.
    """
    low, high = values.min(axis=0), values.max(axis=0)
    if values.dtype == np.uint64:
        # Parquet tells whole numbers of 64 bits by themselves from others, and files must be alike.
        low, high = low.astype(np.float64), high.astype(np.float64)
    numbers = values[:: 1 + values.size // _MAX_ELEMENTS].astype(np.float64)
    quantiles = np.quantile(numbers, list(QUANTILES.values()), axis=0)
    stats = {"min": low, "max": high, "mean": numbers.mean(axis=0), "std": numbers.std(axis=0), "count": np.array([len(values)])}
    return {**stats, **dict(zip(QUANTILES, quantiles, strict=True))}


def picture_stats_of(pictures: np.ndarray) -> Stats:
    """Returns the statistics of pictures `(T, Y, X, C)` uint8 by channel, `(C, 1, 1)`, from 0 to 1; of a sample of both."""
    count = min(len(pictures), max(_MIN_PICTURES, min(int(len(pictures) ** _POWER), _MAX_PICTURES)))
    sample = np.round(np.linspace(0, len(pictures) - 1, count)).astype(int)
    side = max(pictures.shape[1:3])
    step = 1 if side < _LARGE_SIDE else side // _THINNED_SIDE
    # How often each of the 256 values comes says all, and takes no memory.
    channels = pictures.shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    for number in sample:
        pixels = pictures[number, ::step, ::step].reshape(-1, channels)
        for channel in range(channels):
            counts[channel] += np.bincount(pixels[:, channel], minlength=256)
    stats = [_stats_of_counts(row) for row in counts]
    joined = {name: np.array([each[name] for each in stats]).reshape(channels, 1, 1) / 255 for name in stats[0]}
    return {**joined, "count": np.array([count])}


def _stats_of_counts(counts: np.ndarray) -> dict[str, float]:
    values, total = np.arange(256.0), counts.sum()
    there = np.flatnonzero(counts)
    mean = float((values * counts).sum() / total)
    below = np.cumsum(counts)
    quantiles = {name: float(np.searchsorted(below, q * total)) for name, q in QUANTILES.items()}
    std = float(np.sqrt((counts * (values - mean) ** 2).sum() / total))
    return {"min": float(there[0]), "max": float(there[-1]), "mean": mean, "std": std, **quantiles}


def aggregate(episodes: Sequence[Mapping[str, Stats]]) -> dict[str, Stats]:
    """Returns the statistics of all episodes from those of each; quantiles are the mean of theirs, as LeRobot has it."""
    return {key: _aggregate([episode[key] for episode in episodes]) for key in (episodes[0] if episodes else ())}


def _aggregate(each: Sequence[Stats]) -> Stats:
    counts = np.array([stats["count"][0] for stats in each], np.float64)
    weights = (counts / counts.sum()).reshape(-1, *[1] * each[0]["mean"].ndim)

    def stacked(name: str) -> np.ndarray:
        return np.stack([stats[name] for stats in each])

    mean = (weights * stacked("mean")).sum(axis=0)
    variance = (weights * (stacked("std") ** 2 + (stacked("mean") - mean) ** 2)).sum(axis=0)
    quantiles = {name: (weights * stacked(name)).sum(axis=0) for name in QUANTILES}
    return {
        "min": stacked("min").min(axis=0), "max": stacked("max").max(axis=0), "mean": mean, "std": np.sqrt(variance),
        "count": np.array([int(counts.sum())]), **quantiles,
    }  # fmt: skip


def to_plain(stats: Mapping[str, Stats]) -> dict[str, Any]:
    """Returns lists, for JSON and parquet."""
    return {key: {name: value.tolist() for name, value in each.items()} for key, each in stats.items()}


def from_plain(stats: Mapping[str, Any]) -> dict[str, Stats]:
    """Reverses `to_plain`."""
    return {key: {name: np.array(value) for name, value in each.items()} for key, each in stats.items()}
