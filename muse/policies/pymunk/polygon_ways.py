"""Ways of an upright box round convex polygons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: How far inside a polygon a point must be to be in it [px]; for one that is on its way there, who may cut corners a little.
_EDGE, _SLACK = 1e-6, 0.5
#: How far outside one that goes out is to be [px].
_OUT = 1.0


def grown_polygon(polygon: np.ndarray, half: float) -> np.ndarray:
    """Returns where the middle of an upright square touches a convex polygon or is inside it.

    Args:
        polygon: Corners `(k, 2)` [px], counterclockwise.
        half: Half the side of the square [px].

    Returns:
        Corners `(k + 4, 2)`, counterclockwise.
    """
    square = half * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    # Round the sum of two convex polygons go the sides of both, in the order of their directions; from its lowest corner.
    sides = np.concatenate([np.roll(part, -1, axis=0) - part for part in (polygon, square)])
    sides = sides[np.argsort(np.arctan2(sides[:, 1], sides[:, 0]) % (2 * np.pi), kind="stable")]
    lowest = sum(part[np.lexsort((part[:, 0], part[:, 1]))[0]] for part in (polygon, square))
    return lowest + np.concatenate([np.zeros((1, 2)), np.cumsum(sides[:-1], axis=0)])


class PolygonWays:
    """Shortest ways of a point among convex polygons, in a rectangle.

    Args:
        polygons: Corners `(k, 2)` of each [px], counterclockwise; they may overlap. Their edges are free.
        low, high: Corners of polygons that are passed lie within these `(2,)`.
    """

    def __init__(self, polygons: Sequence[np.ndarray], low: np.ndarray, high: np.ndarray) -> None:
        self._sides = [_outside(polygon) for polygon in polygons]
        self._low, self._high = low, high
        corners = np.concatenate(polygons)
        self._corners = corners[~self.is_inside(corners) & self._is_within(corners)]

    def is_inside(self, points: np.ndarray, slack: float = _EDGE) -> np.ndarray:
        """Returns which of the points `(n, 2)` are inside a polygon by more than `slack` [px]."""
        inside = np.zeros(len(points), dtype=bool)
        for normals, offsets in self._sides:
            inside |= (points @ normals.T < offsets - slack).all(axis=1)
        return inside

    def find(self, start: np.ndarray, goals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the shortest ways to each of some goals.

        Args:
            start: `(2,)`. Inside a polygon, it goes out first, by the nearest side that leads into the open.
            goals: `(n, 2)`.

        Returns:
            Lengths `(n,)` [px], infinite where no way leads, and where each way goes first `(n, 2)`.
        """
        out = self._way_out(start)
        # Who is at a corner sees what the corner sees.
        passed = np.linalg.norm(self._corners - out, axis=1) < _SLACK / 2
        points = np.concatenate([out[None], self._corners[~passed]])
        free = ~self._blocked(points, points, _EDGE)
        free[0] = ~self._blocked(out[None], points, _SLACK)
        steps = np.where(free, np.linalg.norm(points[:, None] - points[None], axis=-1), np.inf)
        count = len(points)
        lengths, first, is_open = np.full(count, np.inf), np.arange(count), np.ones(count, dtype=bool)
        lengths[0] = 0.0
        for _ in range(count):
            nearest = int(np.where(is_open, lengths, np.inf).argmin())
            is_open[nearest] = False
            ways = lengths[nearest] + steps[nearest]
            shorter = ways < lengths
            lengths[shorter] = ways[shorter]
            if nearest:
                first[shorter] = first[nearest]
        free = ~self._blocked(goals, points, _EDGE)
        free[:, 0] = ~self._blocked(goals, out[None], _SLACK)[:, 0]
        last = np.where(free, np.linalg.norm(goals[:, None] - points[None], axis=-1), np.inf) + lengths
        by = last.argmin(axis=1)
        places = np.where((by == 0)[:, None], goals, points[first[by]])
        if out is not start:
            places = np.broadcast_to(out, goals.shape)
        return last.min(axis=1) + float(np.linalg.norm(out - start)), places

    def _is_within(self, points: np.ndarray) -> np.ndarray:
        return ((points >= self._low) & (points <= self._high)).all(axis=1)

    def _way_out(self, start: np.ndarray) -> np.ndarray:
        if not self.is_inside(start[None], _SLACK)[0]:
            return start
        exits = np.concatenate(
            [start + (offsets - normals @ start + _OUT)[:, None] * normals for normals, offsets in self._sides]
        )
        exits = exits[~self.is_inside(exits) & self._is_within(exits)]
        return exits[np.linalg.norm(exits - start, axis=1).argmin()] if len(exits) else start

    def _blocked(self, begins: np.ndarray, ends: np.ndarray, slack: float) -> np.ndarray:
        """Returns `(n, m)`: pairs of points between which a polygon lies, by more than `slack`."""
        blocked = np.zeros((len(begins), len(ends)), dtype=bool)
        for normals, offsets in self._sides:
            before, after = (points @ normals.T - (offsets - slack) for points in (begins, ends))
            start, way = before[:, None], after[None] - before[:, None]
            along = np.abs(way) < 1e-9
            # Of each side, the part of the way that is on its inner side; inside is where all of these overlap.
            part = -start / np.where(along, 1.0, way)
            never = np.where(along & (start >= 0), np.inf, -np.inf)
            enter = np.where((way < 0) & ~along, part, never).max(axis=-1, initial=0.0)
            leave = np.where((way > 0) & ~along, part, np.inf).min(axis=-1, initial=1.0)
            blocked |= enter < leave
        return blocked


def _outside(polygon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the outward normals `(k, 2)` of a polygon's sides, and how far out each side is `(k,)`."""
    sides = np.roll(polygon, -1, axis=0) - polygon
    normals = np.stack([sides[:, 1], -sides[:, 0]], axis=1) / np.linalg.norm(sides, axis=1, keepdims=True)
    return normals, (normals * polygon).sum(axis=1)
