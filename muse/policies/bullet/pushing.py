"""Things on bullet's table that are pushed over it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from muse.policies.bullet.arm import ABOVE, CLOSED, LOWEST, OPEN, WIDEST, BulletExpert, Seen, draw_place
from muse.policies.legs import Leg
from muse.policies.waypoints import Progress, Waypoint

#: Gripper action of fingers side by side, with a gap that nothing gets caught in.
_NARROW = 0.85 * CLOSED


class PushExpert(BulletExpert):
    """Pushes a thing over the table with the fingers side by side, from behind, wherever its goal is: for the tasks `push` and `pull`."""

    #: Part of a fastest step at which a thing is pushed; how near to its goal it is left [m].
    speed, close = 0.4, 0.012
    #: Whether goals that are drawn are away from the arm (1) or towards it (-1).
    ahead = 1.0

    def get_legs(self) -> Sequence[Leg]:
        """Off a thing that is caught between the fingers, above the place behind it, down, on to the goal, back and up."""
        anyhow = {"within": 1.0, "turn_within": 9.0}
        return (
            Leg(
                lambda seen, progress: self._still(progress.since),
                until=lambda seen: seen.is_far or seen.gap > 0.9 * WIDEST,
                **anyhow,
            ),
            Leg(
                lambda seen, progress: self._still(progress.since, 0.1),
                until=lambda seen: seen.is_far or seen.hand[2] > 0.1,
                **anyhow,
            ),
            Leg(lambda seen, progress: self._behind(seen, ABOVE), within=0.02, turn_within=0.2),
            Leg(lambda seen, progress: self._behind(seen, self._low(seen)), within=0.015),
            Leg(self._push, until=self.is_done, keeps=self._is_behind, **anyhow),
            Leg(self._leave, within=0.02, turn_within=9.0, most=10, moves_on=True),
        )

    def _still(self, since: Seen, up: float = 0.0) -> Waypoint:
        return Waypoint(since.hand + np.array([0.0, 0.0, up]), since.yaw, OPEN)

    def is_done(self, seen: Seen) -> bool:
        """See `BulletExpert.is_done`."""
        return bool(np.linalg.norm(seen.goal[:2] - seen.place[:2]) < self.close)

    def draw_goal(self, seen: Seen, generator: np.random.Generator) -> np.ndarray:
        """See `BulletExpert.draw_goal`."""
        return draw_place(seen, generator, lambda way: self.ahead * way[0] >= 0.07)

    def _low(self, seen: Seen) -> float:
        return max(LOWEST, min(0.02, 0.5 * seen.height))

    def _direction(self, seen: Seen) -> np.ndarray:
        way = seen.goal[:2] - seen.place[:2]
        return way / max(float(np.linalg.norm(way)), 1e-6)

    def _behind(self, seen: Seen, height: float) -> Waypoint:
        direction = self._direction(seen)
        place = seen.place[:2] - (seen.reach_along(direction) + 0.028) * direction
        return Waypoint(np.array([*place, height]), seen.yaw_across(direction), _NARROW)

    def _push(self, seen: Seen, progress: Progress) -> Waypoint:
        direction = self._direction(seen)
        left = seen.goal[:2] - seen.place[:2]
        # What is at the end yet to be reached is pushed on, however little is left.
        way = left + 0.006 * direction
        return Waypoint(np.array([*(seen.hand[:2] + way), self._low(seen)]), progress.since.yaw, _NARROW, self.speed)

    def _is_behind(self, seen: Seen) -> bool:
        direction = self._direction(seen)
        way = seen.place[:2] - seen.hand[:2]
        along, aside = way @ direction, abs(way[0] * direction[1] - way[1] * direction[0])
        return bool(along > 0.5 * aside and aside < 0.035) or self.is_done(seen)

    def _leave(self, seen: Seen, progress: Progress) -> Waypoint:
        since = progress.since
        away = 0.03 * np.array([math.cos(since.yaw), math.sin(since.yaw)])
        back = -away if away @ (since.place[:2] - since.hand[:2]) > 0 else away
        return Waypoint(np.array([*(since.hand[:2] + back), ABOVE]), since.yaw, _NARROW)


class PullExpert(PushExpert):
    """Pulls a thing towards the arm, from its far side; only goals of its own tell it from `PushExpert`."""

    ahead = -1.0
