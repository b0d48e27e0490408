"""Scripted experts that solve robosuite's tasks from their observations."""

from __future__ import annotations

import numpy as np

from muse.policies.robosuite.waypoint_policy import (
    CLOSE,
    OPEN,
    Progress,
    Seen,
    Waypoint,
    WaypointPolicy,
    nearest_turn,
    wrap,
    yaw_of,
    yaw_of_hand,
)

HOVER, DESCEND, GRASP, LIFT, CARRY, LOWER, RELEASE = range(7)
#: Gap between fingers that hold nothing [m].
_EMPTY = 0.012
#: Steps in which the fingers close on a thing, or leave it.
_CLOSING = 8
#: Steps in which the hand is down at the thing, or something is in its way.
_DESCENT = 40


class SquareExpert(WaypointPolicy):
    """Solves NutAssemblySquare: grasps the nut by its handle, carries it over the square peg and lowers it.

    A nut that was lost is grasped again.
    """

    object_size = 14
    #: Centre of the peg and height of its top [m], world frame.
    PEG, PEG_TOP = np.array([0.23, 0.1]), 0.95
    #: From the nut's centre to the middle of its handle [m].
    HANDLE = 0.054
    #: Turns of the nut that fit the peg [rad]. With the handle away from the robot, at 0, the arm cannot reach.
    TURNS = np.array([np.pi / 2, np.pi, -np.pi / 2])
    #: Heights of the hand: above the handle, at it, with the nut free of the table; of the nut: above the peg, at its end [m].
    ABOVE, AT, FREE, CARRIED, LOWERED = 0.92, 0.831, 0.95, 0.985, 0.84

    def advance(self, seen: Seen, progress: Progress) -> int:
        """See `WaypointPolicy.advance`."""
        phase, nut = progress.phase, seen.object[:3]
        handle = self._handle(seen)
        aside = np.linalg.norm(handle[:2] - seen.hand[:2])
        off = abs(wrap(self._grasp_yaw(seen) - yaw_of_hand(seen.hand_quat), 2 * np.pi))
        if phase >= LIFT and phase != RELEASE and (seen.gap < _EMPTY or np.linalg.norm(handle - seen.hand) > 0.04):
            return HOVER
        if phase == HOVER and aside < 0.01 and off < 0.1:
            return DESCEND
        if phase == DESCEND and (aside > 0.03 or off > 0.3 or progress.steps > _DESCENT):
            return HOVER
        if phase == DESCEND and aside < 0.01 and seen.hand[2] < self.AT + 0.006:
            return GRASP
        if phase == GRASP and progress.steps >= _CLOSING:
            return LIFT
        if phase == LIFT and nut[2] > self.FREE:
            return CARRY
        from_peg = np.linalg.norm(nut[:2] - self.PEG)
        if phase == CARRY and from_peg < 0.005 and abs(self._turn(seen)) < 0.06 and nut[2] > self.PEG_TOP + 0.01:
            return LOWER
        if phase == LOWER and (from_peg > 0.015 and nut[2] > self.PEG_TOP):
            return CARRY
        if phase == LOWER and (nut[2] < self.LOWERED + 0.02 or progress.steps > _DESCENT):
            return RELEASE
        if phase == RELEASE and progress.steps > 2 * _CLOSING:
            return HOVER
        return phase

    def plan(self, seen: Seen, progress: Progress) -> Waypoint:
        """See `WaypointPolicy.plan`."""
        phase, handle, yaw = progress.phase, self._handle(seen), self._grasp_yaw(seen)
        if phase <= GRASP:
            height = self.ABOVE if phase == HOVER else self.AT
            gripper, speed = (CLOSE if phase == GRASP else OPEN), (1.0 if phase == HOVER else 0.5)
            return Waypoint(np.array([*handle[:2], height]), yaw, gripper, speed)
        nut = seen.object[:3]
        hand_yaw = yaw_of_hand(seen.hand_quat)
        if phase == LIFT:
            return Waypoint(np.array([*seen.hand[:2], seen.hand[2] + 0.05]), hand_yaw, CLOSE, 0.7)
        if phase == CARRY:
            return Waypoint(seen.hand + np.array([*self.PEG, self.CARRIED]) - nut, hand_yaw + self._turn(seen), CLOSE, 1.0)
        if phase == LOWER:
            return Waypoint(seen.hand + np.array([*self.PEG, self.LOWERED]) - nut, hand_yaw + self._turn(seen), CLOSE, 0.5)
        return Waypoint(seen.hand, hand_yaw, OPEN, 0.5)

    def is_delicate(self, seen: Seen, progress: Progress) -> bool:
        """See `WaypointPolicy.is_delicate`."""
        return progress.phase in (GRASP, RELEASE)

    def may_slip(self, seen: Seen, progress: Progress) -> bool:
        """Not near the peg, where the arm is almost straight and does not come back from beyond."""
        return progress.phase < LOWER and np.linalg.norm(seen.object[:2] - self.PEG) > 0.15

    def _handle(self, seen: Seen) -> np.ndarray:
        yaw = yaw_of(seen.object[3:7])
        return seen.object[:3] + self.HANDLE * np.array([np.cos(yaw), np.sin(yaw), 0.0])

    def _grasp_yaw(self, seen: Seen) -> float:
        """The turn of the hand that takes the handle between the fingers, the one nearer to the hand's rest."""
        return nearest_turn(yaw_of(seen.object[3:7]), np.pi, 0.0)

    def _turn(self, seen: Seen) -> float:
        """The smallest turn that makes the nut fit the peg. The nut's, for it may sit askew in the fingers."""
        turns = (self.TURNS - yaw_of(seen.object[3:7]) + np.pi) % (2 * np.pi) - np.pi
        return float(turns[np.abs(turns).argmin()])
