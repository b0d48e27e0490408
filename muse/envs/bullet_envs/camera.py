"""Pictures of a world, drawn in software by pybullet's TinyRenderer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from muse.envs.bullet_envs.bullet import Bullet

_LIGHT = (0.6, -0.5, 1.6)
_NEAR, _FAR = 0.02, 4.0


@dataclass(frozen=True)
class View:
    """From where a picture is taken.

    Args:
        eye, target: Where the camera is, and what is in the middle of the picture `(3,)` [m].
        up: What is up in the picture `(3,)`.
        angle: From its lower to its upper edge [degrees].
    """

    eye: Sequence[float]
    target: Sequence[float]
    up: Sequence[float] = (0.0, 0.0, 1.0)
    angle: float = 45.0


def draw(bullet: Bullet, view: View, height: int, width: int) -> np.ndarray:
    """Returns the picture, `(Y, X, 3)` uint8."""
    eye = bullet.computeViewMatrix(list(view.eye), list(view.target), list(view.up))
    lens = bullet.computeProjectionMatrixFOV(view.angle, width / height, _NEAR, _FAR)
    picture = bullet.getCameraImage(
        width,
        height,
        eye,
        lens,
        lightDirection=_LIGHT,
        shadow=1,
        renderer=bullet.ER_TINY_RENDERER,
        flags=bullet.ER_NO_SEGMENTATION_MASK,
    )[2]
    return np.asarray(picture, np.uint8).reshape(height, width, 4)[:, :, :3].copy()
