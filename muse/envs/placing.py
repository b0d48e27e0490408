"""Where things are put at the start of an episode."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from muse.envs.env import EnvError

#: A circle around something that is there already: `(x, y, radius)` [px or m, as the world has it].
Circle = tuple[float, float, float]


def draw_places(
    rng: np.random.Generator,
    radii: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    gap: float,
    taken: Sequence[Circle] = (),
    where: str = "",
) -> np.ndarray:
    """Draws centres of circles that keep `gap` from each other and from those that are there.

    Args:
        rng: Generator.
        radii: Of the circles.
        low, high: Range of the centres `(2,)`.
        gap: Free way between any two.
        taken: What is there already.
        where: What to name in the message.

    Returns:
        `(n, 2)`.

    Raises:
        EnvError: When there is no room.
    """
    for _ in range(100):
        circles = list(taken)
        for radius in radii:
            for _ in range(100):
                x, y = rng.uniform(low, high).tolist()
                if all(math.dist((x, y), circle[:2]) >= radius + circle[2] + gap for circle in circles):
                    circles.append((x, y, radius))
                    break
            else:
                break
        if len(circles) == len(taken) + len(radii):
            return np.array([circle[:2] for circle in circles[len(taken) :]]).reshape(-1, 2)
    raise EnvError(f"{where}.reset", f"no room for {len(radii)} things", "fewer or smaller ones, or more room")
