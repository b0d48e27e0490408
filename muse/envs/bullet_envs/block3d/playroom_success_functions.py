"""How far drawer, cabinet, buttons and blocks of a playroom are from how they should be."""

from __future__ import annotations

import numpy as np

#: Part of the way of drawer and door within which they are as they should be.
TOLERANCE = 0.05


def is_opened(opening: float, goal: float, tolerance: float = TOLERANCE) -> bool:
    """Whether drawer or door is as far open as it should be; 0 is closed, 1 open."""
    return abs(opening - goal) <= tolerance


def is_pressed_alone(pressed: np.ndarray, goal: np.ndarray) -> bool:
    """Whether of the buttons `(3,)`, 1 for a pressed one, just those of the goal `(3,)` are pressed."""
    return bool(np.array_equal(pressed > 0.5, goal > 0.5))


def are_inside(positions: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Returns which positions `(n, 3)` are in a box, given by its lower and upper corner `(2, 3)`: `(n,)` bool."""
    return np.all((positions >= corners[0]) & (positions <= corners[1]), axis=-1)


def ways_into(positions: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Returns the way `(n,)` [m] from positions `(n, 3)` to the nearest places in the box."""
    return np.linalg.norm(positions - np.clip(positions, corners[0], corners[1]), axis=-1)
