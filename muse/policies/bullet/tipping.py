"""Things on bullet's table that are tipped over."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from muse.policies.bullet.arm import CLOSED, Seen
from muse.policies.bullet.grasping import GraspExpert
from muse.policies.legs import Leg
from muse.policies.waypoints import Progress, Waypoint

#: How far the hand leans either way [rad], and the least of it.
_TILT, _LEAST_TILT = 0.75, 0.2


class TipExpert(GraspExpert):
    """Grasps a thing with a hand that leans back, lifts it, leans forward, and puts it down on its side.

    Where the arm cannot lean as far, the thing falls over as it is let go.
    """

    goal_name, goal_shape = "goals/direction", (2,)
    #: Height at which the arm can lean to either side, and how near to its base it cannot [m].
    up, near = 0.22, 0.45
    askew = 0.12
    has_to_stand = True

    def follow(self) -> Sequence[Leg]:
        """Up, over, down, open."""
        held = {"turn_within": 0.12, "keeps": self.is_held}
        return (
            Leg(self._up, within=0.02, most=25, **held),
            Leg(self._over, within=0.04, most=25, moves_on=True, **held),
            Leg(self._down, within=0.006, most=30, moves_on=True, **held),
            *self.let_go(),
        )

    def grasp_yaw(self, seen: Seen) -> float:
        """Fingers along the axis about which the thing is tipped."""
        return seen.yaw_across(seen.goal)

    def grasp(self, seen: Seen, height: float, speed: float = 1.0) -> Waypoint:
        """See `GraspExpert.grasp`; leaning back."""
        yaw = self.grasp_yaw(seen)
        tilt = _TILT * math.copysign(1.0, seen.goal @ np.array([math.cos(yaw), math.sin(yaw)]))
        if tilt > 0:
            # Near to its base, the arm does not point far away from it; where it is asked to all the same, its hand turns aside.
            tilt = min(tilt, 0.32 + 1.45 * max(float(seen.place[0]) - 0.34, 0.0))
            tilt = max(_LEAST_TILT, tilt - 2 * max(0.0, abs(yaw - seen.yaw) - 0.04))
        return super().grasp(seen, height, speed)._replace(tilt=tilt)

    def still(self, since: Seen, way: Sequence[float] = (0, 0, 0), gripper: float = CLOSED, speed: float = 1.0) -> Waypoint:
        """See `GraspExpert.still`; leaning as it was."""
        return Waypoint(since.hand + np.array(way), since.euler[2], gripper, speed, -since.euler[1])

    def _up(self, seen: Seen, progress: Progress) -> Waypoint:
        x, _, z = progress.since.hand
        return self.still(progress.since, [max(self.near - x, 0.0), 0.0, self.up - z], speed=0.7)

    def _over(self, seen: Seen, progress: Progress) -> Waypoint:
        lean = progress.since.euler[1]
        return self.still(progress.since)._replace(tilt=math.copysign(_TILT, lean))

    def _down(self, seen: Seen, progress: Progress) -> Waypoint:
        lowest = seen.place[2] - np.abs(seen.size / 2 * seen.turn[2]).sum()
        down = self.still(progress.since, speed=0.6)
        return down._replace(position=np.array([*progress.since.hand[:2], seen.hand[2] - lowest]))

    def is_done(self, seen: Seen) -> bool:
        """See `BulletExpert.is_done`."""
        return bool(seen.turn[:2, 2] @ seen.goal > math.cos(0.2))

    def draw_goal(self, seen: Seen, generator: np.random.Generator) -> np.ndarray:
        """See `BulletExpert.draw_goal`."""
        yaw = seen.thing_yaw + math.pi / 2 * generator.integers(4)
        return np.array([math.cos(yaw), math.sin(yaw)])
