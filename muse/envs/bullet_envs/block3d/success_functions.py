"""How far objects are from where, and how, they should be."""

from __future__ import annotations

import math

import numpy as np

from muse.utils.angles import wrap
from muse.utils.rotations import matrix_from_euler

#: An object is where it should be within this way [m] and turn [rad].
TOLERANCE, ANGLE_TOLERANCE = 0.025, math.radians(15)
#: An object with less speed than this lies still [m/s].
STILL = 0.03


def ways(positions: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """Returns the way `(n,)` [m] from positions `(n, 3)` to goals `(n, 3)`."""
    return np.linalg.norm(positions - goals, axis=-1)


def climbs(positions: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """Returns how far positions `(n, 3)` are below the heights of goals `(n, 3)`, at least 0, `(n,)` [m]."""
    return np.maximum(goals[:, 2] - positions[:, 2], 0.0)


def turns(eulers: np.ndarray, yaws: np.ndarray) -> np.ndarray:
    """Returns the smallest turn about z `(n,)` [rad], at least 0, from orientations `(n, 3)` to angles `(n,)`."""
    return np.abs(wrap(eulers[:, 2] - yaws))


def leans(eulers: np.ndarray) -> np.ndarray:
    """Returns the angle `(n,)` [rad] between the own z of orientations `(n, 3)` and the world's."""
    return np.array([math.acos(min(1.0, max(-1.0, matrix_from_euler(euler)[2, 2]))) for euler in eulers])


def tips(eulers: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Returns the angle `(n,)` [rad] between the own z of orientations `(n, 3)` and level directions of length 1 `(n, 2)`."""
    tops = np.array([matrix_from_euler(euler)[:2, 2] for euler in eulers])
    return np.arccos(np.clip((tops * directions).sum(axis=-1), -1.0, 1.0))
