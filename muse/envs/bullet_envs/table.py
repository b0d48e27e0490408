"""The table in front of the arm, its top at height 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from muse.envs.bullet_envs.bodies import Part, Surface
from muse.envs.bullet_envs.scene import Scene

#: Middle of the top, and half its sides [m].
CENTRE = (0.48, 0.0)
HALF = (0.2, 0.25)
#: Height and thickness of the walls along its edges [m].
WALL = (0.025, 0.01)
_THICKNESS = 0.04
_LEG = 0.56
_WOOD = (0.78, 0.68, 0.55, 1.0)
_DARK_WOOD = (0.52, 0.42, 0.32, 1.0)


def table_range(part: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the corners `(2,)`, `(2,)` [m] of a part of the table around its middle; 1 is all of it."""
    return np.array(CENTRE) - part * np.array(HALF), np.array(CENTRE) + part * np.array(HALF)


def add_table(scene: Scene, friction: float, centre: Sequence[float] = CENTRE, half: Sequence[float] = HALF) -> None:
    """Adds a table with a low wall along each edge, so that nothing is pushed off."""
    (x, y), (height, thick) = half, WALL
    walls = [
        Part((2 * x + 2 * thick, thick, height + _THICKNESS), (0.0, side * (y + thick / 2), (height - _THICKNESS) / 2), colour=_DARK_WOOD)
        for side in (-1, 1)
    ] + [
        Part((thick, 2 * y, height + _THICKNESS), (side * (x + thick / 2), 0.0, (height - _THICKNESS) / 2), colour=_DARK_WOOD)
        for side in (-1, 1)
    ]  # fmt: skip
    legs = [
        Part((0.03, 0.03, _LEG), (a * (x - 0.02), b * (y - 0.02), -_THICKNESS - _LEG / 2), colour=_DARK_WOOD, is_solid=False)
        for a in (-1, 1)
        for b in (-1, 1)
    ]
    top = Part((2 * x, 2 * y, _THICKNESS), (0.0, 0.0, -_THICKNESS / 2), colour=_WOOD)
    scene.add("the table", [top, *legs], (*centre, 0.0), surface=Surface(friction))
    scene.add("a wall of the table", walls, (*centre, 0.0), surface=Surface(friction))
