"""Polygons in the plane, in plain floats: for the few corners of a block they are faster than numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Point = tuple[float, float]
#: Corners of a convex polygon, counterclockwise.
Corners = Sequence[Point]


def tee_polygons(width: float, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the bar and the stem of an upright T around its centre of mass, each `(4, 2)`, counterclockwise.

    Args:
        width, height: Of the whole; the stem is a quarter of its width wide, the bar a quarter of its height high.
    """
    thin, low = width / 4, 0.75 * height
    bar, stem = width * height / 4, thin * low
    # How far the centre of mass is above the lower end of the stem.
    middle = (bar * (low + height / 8) + stem * low / 2) / (bar + stem)

    def box(half: float, bottom: float, top: float) -> np.ndarray:
        return np.array([[-half, bottom - middle], [half, bottom - middle], [half, top - middle], [-half, top - middle]])

    return box(width / 2, low, height), box(thin / 2, 0.0, low)


def tee_outline(width: float, height: float) -> np.ndarray:
    """Returns the outline of that T, `(8, 2)`, counterclockwise from the left of its lower end."""
    bar, stem = tee_polygons(width, height)
    return np.array([stem[0], stem[1], stem[2], bar[1], bar[2], bar[3], bar[0], stem[3]])


def placed(polygon: Corners, position: Sequence[float], angle: float) -> list[Point]:
    """Returns a polygon turned by `angle` [rad] around its origin, then moved to `position`."""
    (x0, y0), cos, sin = position, math.cos(angle), math.sin(angle)
    return [(x0 + cos * x - sin * y, y0 + sin * x + cos * y) for x, y in polygon]


def area_of(polygon: Corners) -> float:
    """Returns the area of a polygon; negative where its corners go clockwise, 0 for fewer than three."""
    if len(polygon) < 3:
        return 0.0
    total, (x0, y0) = 0.0, polygon[-1]
    for x, y in polygon:
        total += x0 * y - x * y0
        x0, y0 = x, y
    return total / 2


def radius_of_gyration(polygons: Sequence[Corners]) -> float:
    """Returns the radius of gyration, around the origin, of a shape made of polygons that do not overlap."""
    moment = 0.0
    for polygon in polygons:
        x0, y0 = polygon[-1]
        for x, y in polygon:
            moment += (x0 * y - x * y0) * (x0 * x0 + x0 * x + x * x + y0 * y0 + y0 * y + y * y) / 12
            x0, y0 = x, y
    return math.sqrt(moment / sum(map(area_of, polygons)))


def overlap_area(polygons: Sequence[Corners], others: Sequence[Corners]) -> float:
    """Returns the area that two shapes share, each made of convex polygons that do not overlap."""
    return sum(area_of(clipped(polygon, other)) for polygon in polygons for other in others)


def clipped(polygon: Corners, window: Corners) -> Corners:
    """Returns what a convex window shows of a polygon: no corners, where that is nothing."""
    (ax, ay) = window[-1]
    for bx, by in window:
        if len(polygon) == 0:
            break
        # Left of the side from a to b is inside.
        dx, dy = bx - ax, by - ay
        kept: list[Point] = []
        x0, y0 = polygon[-1]
        side0 = dx * (y0 - ay) - dy * (x0 - ax)
        for x, y in polygon:
            side = dx * (y - ay) - dy * (x - ax)
            if (side >= 0) != (side0 >= 0):
                part = side0 / (side0 - side)
                kept.append((x0 + part * (x - x0), y0 + part * (y - y0)))
            if side >= 0:
                kept.append((x, y))
            x0, y0, side0 = x, y, side
        polygon, ax, ay = kept, bx, by
    return polygon
