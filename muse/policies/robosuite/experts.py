"""Scripted experts that solve robosuite's tasks from their observations."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from muse.policies.robosuite.waypoint_policy import CLOSE, OPEN, RobosuiteWaypointPolicy, Seen
from muse.policies.waypoints import Progress, Waypoint, reachable_turn, yaw_of, yaw_of_hand
from muse.utils.angles import wrap

HOVER, DESCEND, GRASP, LIFT, CARRY, LOWER, RELEASE = range(7)
#: Steps in which the fingers close on a thing, or leave it.
_CLOSING = 8
#: Steps in which the hand is down at the thing, or something is in its way.
_DESCENT = 40
#: Way from the hand to the point of its grasp beyond which the thing is lost [m].
_LOST = 0.04


class PickExpert(RobosuiteWaypointPolicy):
    """Grasps a thing from above and lifts it; a thing that was lost is grasped again. A subclass says what, and what follows."""

    #: Heights of the hand above the thing and at it, and of the thing when it is free of the table [m], world frame.
    above: float
    at: float
    free: float
    #: Gaps between fingers that hold the thing as they should [m].
    holds: tuple[float, float]

    @abstractmethod
    def grasp_point(self, seen: Seen) -> np.ndarray:
        """Returns where the thing is grasped, `(3,)` [m], world frame."""

    @abstractmethod
    def grasp_yaw(self, seen: Seen) -> float:
        """Returns the turn of the hand that grasps it [rad]."""

    def advance_holding(self, seen: Seen, progress: Progress) -> int:
        """Returns the phase of a row that holds the thing, free of the table."""
        return progress.phase

    def plan_holding(self, seen: Seen, progress: Progress) -> Waypoint:
        """Returns where a hand goes that holds the thing, free of the table."""
        return self._straight_up(seen)

    def advance(self, seen: Seen, progress: Progress) -> int:
        """See `WaypointPolicy.advance`."""
        phase, point = progress.phase, self.grasp_point(seen)
        if phase > GRASP:
            is_held = self.holds[0] < seen.gap < self.holds[1] and np.linalg.norm(point - seen.hand) < _LOST
            if phase != RELEASE and not is_held:
                return HOVER
            if phase == LIFT:
                return CARRY if seen.object[2] > self.free else LIFT
            return self.advance_holding(seen, progress)
        aside = np.linalg.norm(point[:2] - seen.hand[:2])
        off = abs(wrap(self.grasp_yaw(seen) - yaw_of_hand(seen.hand_quat)))
        if phase == HOVER:
            return DESCEND if aside < 0.01 and off < 0.1 else HOVER
        if phase == DESCEND:
            if aside > 0.03 or off > 0.3 or progress.steps > _DESCENT:
                return HOVER
            return GRASP if aside < 0.01 and seen.hand[2] < self.at + 0.006 else DESCEND
        return LIFT if progress.steps >= _CLOSING else GRASP

    def plan(self, seen: Seen, progress: Progress) -> Waypoint:
        """See `WaypointPolicy.plan`."""
        phase = progress.phase
        if phase > LIFT:
            return self.plan_holding(seen, progress)
        if phase == LIFT:
            return self._straight_up(seen)
        x, y, _ = self.grasp_point(seen)
        if phase == HOVER:
            return Waypoint(np.array([x, y, self.above]), self.grasp_yaw(seen), OPEN)
        return Waypoint(np.array([x, y, self.at]), self.grasp_yaw(seen), CLOSE if phase == GRASP else OPEN, speed=0.5)

    def is_delicate(self, seen: Seen, progress: Progress) -> bool:
        """See `WaypointPolicy.is_delicate`."""
        return progress.phase in (GRASP, RELEASE)

    def _straight_up(self, seen: Seen) -> Waypoint:
        return Waypoint(seen.hand + np.array([0.0, 0.0, 0.05]), yaw_of_hand(seen.hand_quat), CLOSE, speed=0.7)


class LiftExpert(PickExpert):
    """Solves Lift: grasps the cube and lifts it."""

    object_size = 10
    above, at, free, holds = 0.9, 0.825, 0.95, (0.03, 0.06)

    def grasp_point(self, seen: Seen) -> np.ndarray:
        """The middle of the cube."""
        return seen.object[:3]

    def grasp_yaw(self, seen: Seen) -> float:
        """Along the sides of the cube."""
        return reachable_turn(yaw_of(seen.object[3:7]), np.pi / 2, yaw_of_hand(seen.hand_quat))


class CanExpert(PickExpert):
    """Solves PickPlaceCan: grasps the can and lets it go over its bin."""

    object_size = 14
    above, at, free, holds = 0.98, 0.865, 0.97, (0.03, 0.07)
    #: Middle of the can's bin [m], and the heights at which the can is carried and let go.
    BIN, CARRIED, DROPPED = np.array([0.198, 0.403]), 1.0, 0.9

    def grasp_point(self, seen: Seen) -> np.ndarray:
        """The middle of the can."""
        return seen.object[:3]

    def grasp_yaw(self, seen: Seen) -> float:
        """A can is round."""
        return 0.0

    def advance_holding(self, seen: Seen, progress: Progress) -> int:
        """See `PickExpert.advance_holding`."""
        phase, can = progress.phase, seen.object[:3]
        aside = np.linalg.norm(can[:2] - self.BIN)
        if phase == CARRY and aside < 0.03:
            return LOWER
        if phase == LOWER:
            return CARRY if aside > 0.06 else RELEASE if can[2] < self.DROPPED + 0.02 or progress.steps > _DESCENT else LOWER
        if phase == RELEASE and progress.steps > 3 * _CLOSING:
            return HOVER
        return phase

    def plan_holding(self, seen: Seen, progress: Progress) -> Waypoint:
        """See `PickExpert.plan_holding`."""
        if progress.phase == RELEASE:
            up = 0.05 if progress.steps > 2 else 0.0
            return Waypoint(seen.hand + np.array([0.0, 0.0, up]), 0.0, OPEN)
        height = self.CARRIED if progress.phase == CARRY else self.DROPPED
        return Waypoint(seen.hand + np.array([*self.BIN, height]) - seen.object[:3], 0.0, CLOSE)


class SquareExpert(PickExpert):
    """Solves NutAssemblySquare: grasps the nut by its handle, carries it over the square peg, lowers it and lets go."""

    object_size = 14
    above, at, free, holds = 0.92, 0.831, 0.95, (0.012, 0.05)
    #: Middle of the peg and height of its top [m], world frame.
    PEG, PEG_TOP = np.array([0.23, 0.1]), 0.95
    #: Heights of the nut above the peg and at its foot [m].
    CARRIED, LOWERED = 0.985, 0.84
    #: From the nut's middle to that part of its handle which the fingers can take without touching the nut's frame [m].
    HANDLE = 0.062
    #: Turns of the nut that fit the peg [rad]. With the handle away from the robot, at 0, the arm cannot reach.
    TURNS = np.array([np.pi / 2, np.pi, -np.pi / 2])

    def grasp_point(self, seen: Seen) -> np.ndarray:
        """The middle of the handle."""
        yaw = yaw_of(seen.object[3:7])
        return seen.object[:3] + self.HANDLE * np.array([np.cos(yaw), np.sin(yaw), 0.0])

    def grasp_yaw(self, seen: Seen) -> float:
        """Fingers on both sides of the handle."""
        return reachable_turn(yaw_of(seen.object[3:7]), np.pi, yaw_of_hand(seen.hand_quat))

    def advance_holding(self, seen: Seen, progress: Progress) -> int:
        """See `PickExpert.advance_holding`."""
        phase, nut = progress.phase, seen.object[:3]
        aside = np.linalg.norm(nut[:2] - self.PEG)
        if phase == CARRY and aside < 0.005 and abs(self._turn(seen)) < 0.06 and nut[2] > self.PEG_TOP + 0.01:
            return LOWER
        if phase == LOWER and aside > 0.015 and nut[2] > self.PEG_TOP:
            return CARRY
        if phase == LOWER and (nut[2] < self.LOWERED + 0.02 or progress.steps > _DESCENT):
            return RELEASE
        if phase == RELEASE and progress.steps > 2 * _CLOSING:
            return HOVER
        return phase

    def plan_holding(self, seen: Seen, progress: Progress) -> Waypoint:
        """See `PickExpert.plan_holding`. The nut may sit askew in the fingers: it is the nut that is led, not the hand."""
        phase, yaw = progress.phase, yaw_of_hand(seen.hand_quat)
        if phase == RELEASE:
            return Waypoint(seen.hand, yaw, OPEN)
        height, speed = (self.CARRIED, 1.0) if phase == CARRY else (self.LOWERED, 0.5)
        way = np.array([*self.PEG, height]) - seen.object[:3]
        return Waypoint(seen.hand + way, yaw + self._turn(seen), CLOSE, speed)

    def may_slip(self, seen: Seen, progress: Progress) -> bool:
        """Not near the peg, where the arm is almost straight and does not come back from beyond."""
        return progress.phase < LOWER and bool(np.linalg.norm(seen.object[:2] - self.PEG) > 0.15)

    def _turn(self, seen: Seen) -> float:
        """The smallest turn that makes the nut fit the peg [rad]."""
        turns = wrap(self.TURNS - yaw_of(seen.object[3:7]))
        return float(turns[np.abs(turns).argmin()])
