"""A small picture made of smooth discs, rings, strokes and polygons, in plain numpy."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

#: Red, green, blue from 0 to 255.
Colour = tuple[int, int, int]


def colour(text: str) -> Colour:
    """Reads `'#rrggbb'`.

    Raises:
        ValueError: When it is none.
    """
    if len(text) != 7 or text[0] != "#":
        raise ValueError(f"{text!r} is no colour like '#4c6b8a'")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


class Canvas:
    """A picture of the unit square, y up. Edges are smoothed over one pixel.

    Args:
        height, width: In pixels. Lengths are scaled by the width; with another height circles become ellipses.
        background: Its colour.
        margin: What is seen beyond each edge of the square.
    """

    def __init__(self, height: int, width: int, background: Colour, margin: float = 0.0) -> None:
        self.pixels = np.empty((height, width, 3), np.float32)
        self.pixels[:] = background
        self._margin, self._span = margin, 1 + 2 * margin
        self._x = ((np.arange(width) + 0.5) / width * self._span - margin).astype(np.float32)
        self._y = (1 + margin - (np.arange(height) + 0.5) / height * self._span).astype(np.float32)

    def copy(self) -> Canvas:
        """Returns a canvas that can be drawn on without changing this one."""
        twin = copy.copy(self)
        twin.pixels = self.pixels.copy()
        return twin

    def to_image(self) -> np.ndarray:
        """Returns the picture, `(Y, X, 3)` uint8."""
        return (self.pixels + 0.5).astype(np.uint8)

    def disc(self, x: float, y: float, radius: float, colour: Colour, opacity: float = 1.0) -> None:
        """Draws a filled circle."""
        self.stroke((x, y), (x, y), radius, colour, opacity)

    def ring(self, x: float, y: float, radius: float, thickness: float, colour: Colour, opacity: float = 1.0) -> None:
        """Draws a circle's line, `thickness` wide."""
        reach = radius + thickness
        window, x_near, y_near = self._near(x - reach, x + reach, y - reach, y + reach)
        distance = np.abs(np.sqrt((x_near - x) ** 2 + (y_near - y) ** 2) - radius)
        self._blend(window, thickness / 2 - distance, colour, opacity)

    def stroke(self, start: Sequence[float], end: Sequence[float], radius: float, colour: Colour, opacity: float = 1.0) -> None:
        """Draws a line with round ends, `2 radius` wide."""
        (x0, y0), (x1, y1) = start, end
        window, x, y = self._near(min(x0, x1) - radius, max(x0, x1) + radius, min(y0, y1) - radius, max(y0, y1) + radius)
        dx, dy = x1 - x0, y1 - y0
        length = dx * dx + dy * dy
        along = np.clip(((x - x0) * dx + (y - y0) * dy) / length, 0, 1) if length > 0 else 0.0
        distance = np.sqrt((x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2)
        self._blend(window, radius - distance, colour, opacity)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, opacity: float = 1.0) -> None:
        """Fills a rectangle with upright edges."""
        window, x, y = self._near(x0, x1, y0, y1)
        self._blend(window, np.minimum(np.minimum(x - x0, x1 - x), np.minimum(y - y0, y1 - y)), colour, opacity)

    def polygon(self, corners: np.ndarray, colour: Colour, opacity: float = 1.0, radius: float = 0.0) -> None:
        """Fills a convex polygon.

        Args:
            corners: `(k, 2)`, counterclockwise.
            colour: Its colour.
            opacity: From 0 to 1.
            radius: By how much it is wider on every side.
        """
        (x0, y0), (x1, y1) = corners.min(axis=0) - radius, corners.max(axis=0) + radius
        window, x, y = self._near(x0, x1, y0, y1)
        sides = np.roll(corners, -1, axis=0) - corners
        normals = np.stack([sides[:, 1], -sides[:, 0]], axis=1) / np.linalg.norm(sides, axis=1, keepdims=True)
        outside = [nx * (x - cx) + ny * (y - cy) for (nx, ny), (cx, cy) in zip(normals, corners, strict=True)]
        self._blend(window, radius - np.maximum.reduce(outside), colour, opacity)

    def _near(self, x0: float, x1: float, y0: float, y1: float) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
        """Returns the part of the picture around a box, and the coordinates of its columns `(1, X)` and rows `(Y, 1)`."""
        height, width = self.pixels.shape[0] / self._span, self.pixels.shape[1] / self._span
        left, right = (x0 + self._margin) * width, (x1 + self._margin) * width
        top, bottom = (1 + self._margin - y1) * height, (1 + self._margin - y0) * height
        columns = slice(max(0, int(left) - 1), max(0, int(right) + 2))
        rows = slice(max(0, int(top) - 1), max(0, int(bottom) + 2))
        return (rows, columns), self._x[None, columns], self._y[rows, None]

    def _blend(self, window: tuple[slice, slice], inside: np.ndarray, colour: Colour, opacity: float) -> None:
        """Lays `colour` over the window where `inside`, the way to the shape's edge, is positive."""
        cover = np.clip(inside * (self.pixels.shape[1] / self._span) + 0.5, 0, 1)[:, :, None]
        part = self.pixels[window]
        part += (cover * opacity).astype(np.float32) * (np.asarray(colour, np.float32) - part)
