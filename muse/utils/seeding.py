"""Random generators that are a function of what they are for.

Every stream is made from a seed and a path of words, so that adding a consumer never shifts another one's numbers.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *path: str | int) -> int:
    """Returns a 63-bit seed that depends on `seed` and every part of `path`, the same on every machine."""
    text = "/".join([str(int(seed)), *map(str, path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def make_generator(seed: int, *path: str | int) -> np.random.Generator:
    """Returns a numpy generator for `seed` and `path` (PCG64, whose state is a dict of plain integers)."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, *path)))


def episode_seed(seed: int, index: int, *path: str | int) -> int:
    """Returns the seed of episode `index`, below 2**31 as simulators want it."""
    return derive_seed(seed, "episode", *path, index) % 2**31


def episode_seeds(seed: int, count: int, *path: str | int) -> list[int]:
    """Returns the seeds of `count` episodes; the first `k` of them do not depend on `count`."""
    return [episode_seed(seed, index, *path) for index in range(count)]
