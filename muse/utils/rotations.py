"""Rotations out of Euler angles: about x, then y, then z, axes that stay [rad]."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def matrix_from_euler(euler: Sequence[float]) -> np.ndarray:
    """Returns the matrix `(3, 3)` of Euler angles `(3,)`."""
    (cx, cy, cz), (sx, sy, sz) = ([fn(float(angle)) for angle in euler] for fn in (math.cos, math.sin))
    return np.array(
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ]
    )


def quaternion_from_euler(euler: Sequence[float]) -> np.ndarray:
    """Returns the quaternion `(4,)` (x, y, z, w) of Euler angles `(3,)`."""
    (cx, cy, cz), (sx, sy, sz) = ([fn(float(angle) / 2) for angle in euler] for fn in (math.cos, math.sin))
    return np.array(
        [cz * cy * sx - sz * sy * cx, cz * sy * cx + sz * cy * sx, sz * cy * cx - cz * sy * sx, cz * cy * cx + sz * sy * sx]
    )
