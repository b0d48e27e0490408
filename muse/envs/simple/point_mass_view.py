"""The picture of the point mass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from muse.envs.env import EnvError
from muse.envs.simple.canvas import Canvas, Colour, colour
from muse.envs.simple.motion import Circle

_EDGE = (224, 219, 207)
_PAPER = (250, 248, 243)
_LINES = (231, 228, 220)
_OBSTACLE = (97, 108, 124)
_EGO = (37, 99, 178)
_TARGET = (224, 102, 38)
_REACHED = (44, 153, 84)
_WHITE = (255, 255, 255)
_MARGIN = 0.035


class PointMassView:
    """Draws ego (blue), target (orange, green when reached), obstacles (grey), trails and a bar of the time used.

    Args:
        face_colors: Colours of the obstacles as `'#rrggbb'`, one for all or one for each; grey when None.
        tolerance: Radius of the ring around the target [m].
    """

    def __init__(self, face_colors: Sequence[str] | None, tolerance: float) -> None:
        try:
            self._colours: list[Colour] = [colour(text) for text in face_colors or []] or [_OBSTACLE]
        except ValueError as error:
            raise EnvError("PointMassEnv: obstacle_face_colors", str(error), "colours such as '#616c7c'") from error
        self._tolerance = tolerance
        self._circles: list[Circle] = []
        self._backgrounds: dict[tuple[int, int], Canvas] = {}

    def start(self, circles: Sequence[Circle]) -> None:
        """Begins an episode with these obstacles."""
        self._circles = list(circles)
        self._backgrounds.clear()

    def draw(
        self,
        height: int,
        width: int,
        ego: tuple[float, float],
        target: tuple[float, float],
        reached: bool,
        trail: Sequence[tuple[float, float, float, float]] = (),
        time_used: float = 0.0,
    ) -> np.ndarray:
        """Returns the picture, `(Y, X, 3)` uint8.

        Args:
            ego, target: Positions [m].
            reached: Whether the target counts as reached.
            trail: Past positions `(ego x, ego y, target x, target y)`, the newest last.
            time_used: Fraction of the episode's time limit, for the bar; no bar when 0.
        """
        canvas = self._background(height, width).copy()
        self._draw_trail(canvas, trail)
        shade = _REACHED if reached else _TARGET
        canvas.disc(*target, self._tolerance, shade, 0.18)
        canvas.ring(*target, self._tolerance, 0.005, shade, 0.8)
        # Both stay visible in a small picture.
        canvas.disc(*target, max(0.010, 1.0 / width), shade)
        radius = max(0.016, 1.6 / width)
        canvas.disc(*ego, radius + 0.005, _WHITE, 0.9)
        canvas.disc(*ego, radius, _EGO)
        if time_used > 0:
            canvas.rectangle(0.0, -0.022, min(1.0, time_used), -0.012, shade, 0.8)
        return canvas.to_image()

    def place_at(self, right: float, up: float) -> tuple[float, float]:
        """Returns the place in the square [m] of a point of the picture, given in fractions from its bottom left."""
        return (1 + 2 * _MARGIN) * right - _MARGIN, (1 + 2 * _MARGIN) * up - _MARGIN

    def _background(self, height: int, width: int) -> Canvas:
        if (height, width) not in self._backgrounds:
            canvas = Canvas(height, width, _EDGE, _MARGIN)
            canvas.rectangle(0, 0, 1, 1, _PAPER)
            if min(height, width) >= 128:
                for i in range(1, 10):
                    canvas.rectangle(i / 10 - 0.001, 0, i / 10 + 0.001, 1, _LINES)
                    canvas.rectangle(0, i / 10 - 0.001, 1, i / 10 + 0.001, _LINES)
            for i, (x, y, radius) in enumerate(self._circles):
                canvas.disc(x + 0.006, y - 0.008, radius + 0.004, (60, 60, 60), 0.18)
                canvas.disc(x, y, radius, self._colours[i % len(self._colours)])
            self._backgrounds[height, width] = canvas
        return self._backgrounds[height, width]

    def _draw_trail(self, canvas: Canvas, trail: Sequence[tuple[float, float, float, float]]) -> None:
        for i in range(1, len(trail)):
            before, now = trail[i - 1], trail[i]
            opacity = 0.12 + 0.5 * i / len(trail)
            canvas.stroke(before[:2], now[:2], 0.0045, _EGO, opacity)
            canvas.stroke(before[2:], now[2:], 0.003, _TARGET, opacity)
