"""Rotations as matrices, quaternions (x, y, z, w) and Euler angles: about x, then y, then z, axes that stay [rad]."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def matrix_from_euler(euler: Sequence[float]) -> np.ndarray:
    """Returns the matrix `(3, 3)` of Euler angles `(3,)`."""
    roll, pitch, yaw = (float(angle) for angle in euler)
    a, b = math.cos(roll), math.sin(roll)
    c, d = math.cos(pitch), math.sin(pitch)
    e, f = math.cos(yaw), math.sin(yaw)
    return np.array(
        [[e * c, e * d * b - f * a, e * d * a + f * b], [f * c, f * d * b + e * a, f * d * a - e * b], [-d, c * b, c * a]]
    )


def euler_from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Returns the Euler angles `(3,)` of a matrix `(3, 3)`; the second within a quarter turn."""
    (xx, _, _), (yx, _, _), (zx, zy, zz) = matrix.tolist()
    return np.array([math.atan2(zy, zz), math.atan2(-zx, math.hypot(xx, yx)), math.atan2(yx, xx)])


def matrix_from_quaternion(quaternion: Sequence[float]) -> np.ndarray:
    """Returns the matrix `(3, 3)` of a quaternion `(4,)` of length 1."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_from_euler(euler: Sequence[float]) -> tuple[float, float, float, float]:
    """Returns the quaternion of Euler angles `(3,)`."""
    roll, pitch, yaw = (float(angle) / 2 for angle in euler)
    a, b = math.cos(roll), math.sin(roll)
    c, d = math.cos(pitch), math.sin(pitch)
    e, f = math.cos(yaw), math.sin(yaw)
    return b * c * e - a * d * f, a * d * e + b * c * f, a * c * f - b * d * e, a * c * e + b * d * f


def euler_from_quaternion(quaternion: Sequence[float]) -> np.ndarray:
    """Returns the Euler angles `(3,)` of a quaternion `(4,)` of length 1."""
    return euler_from_matrix(matrix_from_quaternion(quaternion))


def turn_between(matrix: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns the rotation vector `(3,)` [rad] that turns `matrix` into `other`, in the frame in which both are given."""
    turn = other @ matrix.T
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    sine, cosine = math.sqrt(axis @ axis) / 2, (float(turn[0, 0] + turn[1, 1] + turn[2, 2]) - 1) / 2
    if sine > 1e-9:
        return axis * (math.atan2(sine, cosine) / (2 * sine))
    if cosine > 0:
        return axis / 2
    # Half a turn: the axis is the column of (turn + 1) / 2 that is longest.
    column = (turn + np.eye(3))[:, int(np.argmax(np.diag(turn)))]
    return column * (math.pi / math.sqrt(column @ column))
