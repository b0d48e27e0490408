"""The scripted expert that pushes a T to a pose."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from muse.policies.pymunk.block_policy import LET_GO, BlockPolicy
from muse.policies.pymunk.polygon_ways import PolygonWays, grown_polygon
from muse.policies.pymunk.pushing import Places, find_places, push
from muse.utils.abstract import Argument
from muse.utils.angles import wrap
from muse.utils.polygons import radius_of_gyration, tee_outline, tee_polygons

#: Free way that the ego keeps from a T that it passes [px].
_MARGIN = 3.0
#: How far the ego may be inside the T, by rounding, where it pushes [px].
_INSIDE = 0.5
#: What a change of place costs besides the way there, and what every push costs [px].
_CHANGE, _BEGIN = 80.0, 1.0
#: Pushes that are thought of [px].
_LENGTHS = 0.5 * 2.0 ** np.arange(0, 8.6, 0.5)
#: How far beyond a wall a push may end, for what is not known exactly [px].
_WALL = 1.0


class PushTExpert(BlockPolicy):
    """Pushes a T to its goal by the sides of bar and stem.

    Of all places where the ego can push, and of all lengths of a push, it takes what brings the T nearer for the least way: nearer
    in the way and in the turn that are left, the turn at the radius of gyration; the way of the ego is that to the place,
    round the T, and that of the push, with a charge for changing places. It thinks anew at every step, so what a push
    did otherwise than thought is mended by the next.

    For `PushTEnv2D` with one block.
    """

    predefined_arguments = BlockPolicy.predefined_arguments + [
        Argument("push_speed", type=float, default=80.0, help="largest velocity at which it pushes", unit="px/s"),
    ]

    push_speed: float
    reads = ("position", "block_positions", "block_angles", "goal_block_positions", "goal_block_angles")
    env_name = "PushTEnv2D"

    def act(self, seen: Mapping[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """See `BlockPolicy.act`."""
        block, angle = seen["block_positions"][0], float(seen["block_angles"][0])
        tee = _tee(*seen["block_sizes"][0].tolist())
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        # From here on seen from the T's centre of mass.
        ego, low, high = (place - block for place in (seen["position"], self.low, self.high))
        parts, outline = [part @ turn for part in tee.parts], tee.outline @ turn
        places = find_places(ego, self.ego_size, outline, 1.5 * _MARGIN + 2.0)
        inside = PolygonWays([grown_polygon(part, self.ego_size / 2 - _INSIDE) for part in parts], low, high)
        places = places.take(~inside.is_inside(places.boxes) & ((places.boxes >= low) & (places.boxes <= high)).all(axis=1))
        moved, turned = push(places, tee.radius, _LENGTHS)
        left = _distance(
            seen["goal_block_positions"][0] - block - moved, seen["goal_block_angles"][0] - angle - turned, tee.radius
        )
        now = _distance(seen["goal_block_positions"][0] - block, seen["goal_block_angles"][0] - angle, tee.radius)
        fits = self._fits(places, outline, moved, turned, low, high)
        # Where to go first is before the T, beyond the margin.
        before = places.boxes - places.forces * (_MARGIN * np.abs(places.forces).sum(axis=1) + 1.0)[:, None]
        around = PolygonWays([grown_polygon(part, self.ego_size / 2 + _MARGIN) for part in parts], low, high)
        ways, first = around.find(ego, before)
        ways = np.where(np.isfinite(places.gaps), np.maximum(places.gaps, 0.0), _CHANGE + ways)
        rates = np.where(fits, now - left, 0.0) / (ways[:, None] + _LENGTHS + _BEGIN)
        place, column = np.unravel_index(int(rates.argmax()), rates.shape)
        if rates[place, column] <= 0:
            return np.zeros(2), LET_GO
        if np.isinf(places.gaps[place]):
            return self.gain * (first[place] - ego), LET_GO
        return self.gain * self._push(places, int(place), float(_LENGTHS[column]), tee.radius), LET_GO

    def _push(self, places: Places, place: int, length: float, radius: float) -> np.ndarray:
        """Returns the way `(2,)` of the ego on which it touches the T and pushes it, by a step of a push."""
        step = np.array([min(length, self.push_speed / self.gain)])
        force, contact = places.forces[place], places.contacts[place]
        turned = float(push(places, radius, step)[1][place, 0])
        # The place moves along its side, too, as the T turns.
        along = np.array([-force[1], force[0]])
        slide = turned * float(contact[0] * along[1] - contact[1] * along[0])
        return (places.gaps[place] + step[0]) * force + slide * along

    def _fits(
        self, places: Places, outline: np.ndarray, moved: np.ndarray, turned: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> np.ndarray:
        """Returns which pushes `(P, L)` end with T and ego between the walls."""
        cos, sin = np.cos(turned)[..., None], np.sin(turned)[..., None]

        def is_between(points: np.ndarray, edge: float) -> np.ndarray:
            x = moved[..., :1] + cos * points[..., 0] - sin * points[..., 1]
            y = moved[..., 1:] + sin * points[..., 0] + cos * points[..., 1]
            (left, bottom), (right, top) = low - edge, high + edge
            return ((x >= left) & (x <= right) & (y >= bottom) & (y <= top)).all(axis=-1)

        return is_between(outline, self.ego_size / 2 + _WALL) & is_between(places.boxes[:, None, None], _WALL)


class _Tee(NamedTuple):
    parts: tuple[np.ndarray, np.ndarray]
    outline: np.ndarray
    radius: float


@functools.lru_cache(maxsize=8)
def _tee(width: float, height: float) -> _Tee:
    parts = tee_polygons(width, height)
    return _Tee(parts, tee_outline(width, height), radius_of_gyration([part.tolist() for part in parts]))


def _distance(way: np.ndarray, turn: np.ndarray, radius: float) -> np.ndarray:
    return np.sqrt((way**2).sum(axis=-1) + (radius * wrap(turn)) ** 2)
