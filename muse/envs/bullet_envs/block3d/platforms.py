"""Platforms along the edges of the table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from muse.envs.bullet_envs.block3d.tasks import APART, Put
from muse.envs.bullet_envs.bodies import Part, Surface
from muse.envs.bullet_envs.robot_bullet_env import State
from muse.envs.bullet_envs.scene import Scene
from muse.envs.bullet_envs.table import CENTRE, HALF

#: Way from the middle of what stands on a platform to its edges [m].
PLATFORM_MARGIN = 0.03
#: Way from the middle of what lies between the platforms to them: the open hand fits in [m].
_HAND_ROOM = 0.065
_COLOUR = (0.62, 0.66, 0.7, 1.0)


@dataclass(frozen=True)
class Platform:
    """A block of the table's surface that is raised: corners `(2,)` [m], and height [m]."""

    low: tuple[float, float]
    high: tuple[float, float]
    height: float

    def distance(self, place: Sequence[float]) -> float:
        """Returns the level way from a place `(x, y)` to the platform [m], 0 above it."""
        away = [max(low - value, 0.0, value - high) for low, value, high in zip(self.low, place, self.high, strict=False)]
        return math.hypot(*away)


def find_platforms(extent: float, height: float) -> list[Platform]:
    """Returns the four platforms, `extent` wide [m]: near the arm, far from it, and on its right and left."""
    (x, y), (a, b) = CENTRE, HALF
    low, high = (x - a, y - b), (x + a, y + b)
    return [
        Platform(low, (low[0] + extent, high[1]), height),
        Platform((high[0] - extent, low[1]), high, height),
        Platform((low[0] + extent, low[1]), (high[0] - extent, low[1] + extent), height),
        Platform((low[0] + extent, high[1] - extent), (high[0] - extent, high[1]), height),
    ]


def nearest_platform(platforms: Sequence[Platform], place: Sequence[float]) -> int:
    """Returns the number of the platform that is nearest to a place `(x, y)` [m], the first of several."""
    return int(np.argmin([platform.distance(place) for platform in platforms]))


def draw_on_platforms(rng: np.random.Generator, platforms: Sequence[Platform], margin: float) -> np.ndarray:
    """Returns a place `(3,)` [m] on one of the platforms, `margin` from its edges [m]."""
    platform = platforms[int(rng.integers(len(platforms)))]
    place = rng.uniform(np.array(platform.low) + margin, np.array(platform.high) - margin)
    return np.array([*place, platform.height])


def add_platforms(scene: Scene, platforms: Sequence[Platform], friction: float) -> None:
    """Adds the platforms to the table."""
    parts = [
        Part(
            (p.high[0] - p.low[0], p.high[1] - p.low[1], p.height),
            ((p.low[0] + p.high[0]) / 2, (p.low[1] + p.high[1]) / 2, p.height / 2),
            colour=_COLOUR,
        )
        for p in platforms
    ]
    scene.add("a platform", parts, (0.0, 0.0, 0.0), surface=Surface(friction))


class Onto(Put):
    """Goals on platforms.

    Args:
        platforms: Of the world.
        tolerances: See `Task`.
    """

    def __init__(self, platforms: Sequence[Platform], *tolerances: float) -> None:
        super().__init__(*tolerances)
        self._platforms = platforms

    def draw_goals(self, rng: np.random.Generator, start: State, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """Draws a place on a platform for each object."""
        return _apart(start, [draw_on_platforms(rng, self._platforms, PLATFORM_MARGIN) for _ in start["objects/position"]])


class Off(Put):
    """Goals on the table between platforms `extent` wide [m]."""

    def __init__(self, extent: float, *tolerances: float) -> None:
        super().__init__(*tolerances)
        self._extent = extent

    def draw_goals(self, rng: np.random.Generator, start: State, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """Draws a place on the table for each object."""
        places = rng.uniform(*range_between(self._extent), (len(start["objects/position"]), 2))
        return _apart(start, [np.array([*place, 0.0]) for place in places])


def range_between(extent: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the corners `(2,)`, `(2,)` [m] of the part of the table between the platforms where the hand has room."""
    room = np.array(HALF) - extent - _HAND_ROOM
    return np.array(CENTRE) - room, np.array(CENTRE) + room


def _apart(start: State, places: Sequence[np.ndarray]) -> np.ndarray | None:
    """Returns places on surfaces, raised by half the objects' heights, or None where two are too close to each other."""
    if any(np.hypot(*(a - b)[:2]) < APART for a, b in itertools.combinations(places, 2)):
        return None
    return np.array(places) + np.outer(start["objects/size"][:, 2] / 2, [0.0, 0.0, 1.0])
