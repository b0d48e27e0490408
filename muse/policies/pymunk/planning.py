"""Ways of an upright box among upright boxes, and what experts measure of blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

#: Lower and upper corner `(2,)` of an upright box [px].
Box = tuple[np.ndarray, np.ndarray]


def half_extents(size: np.ndarray, angle: float) -> np.ndarray:
    """Returns half the width and height `(2,)` of the upright box around a block that is turned."""
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    return np.array([size[0] * cos + size[1] * sin, size[0] * sin + size[1] * cos]) / 2


def gap_between(ego: np.ndarray, ego_size: float, position: np.ndarray, size: np.ndarray, angle: float) -> float:
    """Returns the free way between the outlines of an upright square and a block [px]; 0 where a corner is inside."""
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    of_ego = (ego + corners * ego_size - position) @ turn
    of_block = position + (corners * size) @ turn.T - ego
    to_block = np.linalg.norm(np.maximum(np.abs(of_ego) - size / 2, 0), axis=1)
    to_ego = np.linalg.norm(np.maximum(np.abs(of_block) - ego_size / 2, 0), axis=1)
    return float(min(to_block.min(), to_ego.min()))


def next_waypoint(start: np.ndarray, goal: np.ndarray, boxes: Sequence[Box], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Returns where a point goes first on a shortest way round boxes.

    Args:
        start, goal: `(2,)` [px]. A start inside a box goes out of it by the nearest side that leads into the open.
        boxes: What is in the way.
        low, high: The corners of boxes that are passed lie within these `(2,)`.

    Returns:
        `(2,)` [px]: the goal, where the way to it is free, or there is none.
    """
    for box in boxes:
        if np.all(start > box[0]) and np.all(start < box[1]):
            return _way_out(start, box, low, high)
    corners = [
        corner
        for box in boxes
        for corner in np.array([[box[i][0], box[j][1]] for i in (0, 1) for j in (0, 1)])
        if np.all(corner >= low) and np.all(corner <= high)
    ]
    points = np.array([start, *corners, goal])
    count = len(points)
    free = ~_blocked(points, boxes)
    lengths = np.where(free, np.linalg.norm(points[:, None] - points[None], axis=-1), np.inf)
    # From the goal backwards, so that the start's next point is known at the end.
    left, after, is_open = np.full(count, np.inf), np.full(count, count - 1), np.ones(count, dtype=bool)
    left[-1] = 0.0
    for _ in range(count):
        nearest = int(np.where(is_open, left, np.inf).argmin())
        is_open[nearest] = False
        ways = lengths[nearest] + left[nearest]
        shorter = ways < left
        left[shorter], after[shorter] = ways[shorter], nearest
    return points[after[0]] if np.isfinite(left[0]) else goal


def _way_out(start: np.ndarray, box: Box, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    exits = [
        (abs(start[k] - box[side][k]), k, box[side][k]) for k in (0, 1) for side in (0, 1) if low[k] <= box[side][k] <= high[k]
    ]
    if not exits:
        return start
    _, k, value = min(exits)
    out = start.copy()
    # A little beyond, for what is at the edge counts as outside.
    out[k] = value + math.copysign(1.0, value - start[k])
    return out


def _blocked(points: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
    """Returns `(n, n)` bool: pairs of points between which a box lies; its edge does not count."""
    blocked = np.zeros((len(points), len(points)), dtype=bool)
    begin, way = points[:, None], points[None] - points[:, None]
    way = np.where(np.abs(way) < 1e-9, 1e-9, way)
    for low, high in boxes:
        first, second = (low + 1e-6 - begin) / way, (high - 1e-6 - begin) / way
        enter, leave = np.minimum(first, second).max(axis=-1), np.maximum(first, second).min(axis=-1)
        blocked |= np.maximum(enter, 0) < np.minimum(leave, 1)
    return blocked
