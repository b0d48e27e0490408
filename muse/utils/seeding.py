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


def hashed_uniform(seed: int, *numbers: np.ndarray) -> np.ndarray:
    """Returns floats in [0, 1), each a function of `seed` and its own whole numbers alone, whatever stands beside it.

    A generator's numbers depend on how many were drawn before them; these do not.

    Args:
        seed: 63 bits, as `derive_seed` makes them.
        numbers: Integer arrays that broadcast to the shape returned.
    """
    mixed = np.full((1,) * max(array.ndim for array in numbers), seed, np.uint64)
    for array in numbers:
        # splitmix64 (Steele, Lea and Flood, 2014): what is added moves along its sequence, the rest scatters the bits.
        mixed = mixed + (array.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
