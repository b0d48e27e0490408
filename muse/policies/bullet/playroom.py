"""Scripted experts of the playrooms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from muse.policies.bullet.arm import CLOSED, OPEN, BulletArm, read_hand
from muse.policies.legs import Leg
from muse.policies.row_policy import check_reads
from muse.policies.waypoints import Progress, Waypoint, reachable_turn, yaw_of_hand
from muse.specs import EnvSpec

#: Height at which the hand goes about, above anything that stands there [m].
_HIGH = 0.3
#: A step of way that is always ahead: the hand goes on at the speed of the waypoint [m].
_AHEAD = 0.04
#: Steps in which the fingers close or open.
_CLOSING = 6
#: Gap between fingers that hold something at least [m].
_HOLDS = 0.015


class Seen(NamedTuple):
    """What an expert sees of one row, world frame.

    Attributes:
        hand: Place between the fingers' ends `(3,)` [m].
        hand_quat: `(4,)` (x, y, z, w); see `muse.policies.waypoints.Hand`.
        euler: The same as the env tells it `(3,)` [rad].
        gap: Between the fingers [m].
        values: All that the expert reads, by name.
    """

    hand: np.ndarray
    hand_quat: np.ndarray
    euler: np.ndarray
    gap: float
    values: Mapping[str, np.ndarray]


class PlayroomExpert(BulletArm, ABC):
    """An expert of a playroom: goes about above everything, and comes down to what it works at."""

    env_name = "DrawerPlayroomEnv3D"
    #: Observations of the world that it reads.
    sees: ClassVar[tuple[str, ...]]
    #: Gripper on the way to what it works at.
    gripper: ClassVar[float] = CLOSED

    def get_reads(self) -> Sequence[str]:
        """See `BulletArm.get_reads`."""
        return self.sees

    def see(self, values: Mapping[str, np.ndarray]) -> Seen:
        """See `WaypointPolicy.see`."""
        return Seen(*read_hand(values), values)

    def get_legs(self) -> Sequence[Leg]:
        """Up, over it, and what a subclass does there."""
        return [
            Leg(lambda seen, progress: Waypoint(self._up(progress), yaw_of_hand(seen.hand_quat), self.gripper), within=0.02),
            Leg(lambda seen, progress: Waypoint(self._over(seen), self.turn(seen), self.gripper)),
            *self.get_work(),
        ]

    @abstractmethod
    def get_work(self) -> Sequence[Leg]:
        """Returns the legs of a hand that is over its work."""

    @abstractmethod
    def place(self, seen: Seen) -> np.ndarray:
        """Returns where the work begins, `(3,)` [m]."""

    def turn(self, seen: Seen) -> float:
        """Returns the turn of the hand at work [rad]."""
        return 0.0

    def down(self) -> Leg:
        """Returns the leg from over the work to where it begins."""
        return Leg(lambda seen, progress: Waypoint(self.place(seen), self.turn(seen), self.gripper, 0.6), within=0.008)

    def _over(self, seen: Seen) -> np.ndarray:
        return np.array([*self.place(seen)[:2], _HIGH])

    @staticmethod
    def _up(progress: Progress) -> np.ndarray:
        x, y, z = progress.since.hand
        return np.array([x, y, max(z, _HIGH)])


class _DrawerExpert(PlayroomExpert, ABC):
    """Moves the drawer with closed fingers at its handle, a bar."""

    sees = ("drawer/handle_position", "drawer/joint_position_normalized")
    #: From the bar to the fingers along x, and below its middle [m].
    beside: ClassVar[float]
    below: ClassVar[float] = 0.005
    #: Which way the drawer goes, along x.
    way: ClassVar[float]

    def place(self, seen: Seen) -> np.ndarray:
        """Beside the bar."""
        return seen.values["drawer/handle_position"] + np.array([self.beside, 0.0, -self.below])

    def get_work(self) -> Sequence[Leg]:
        """Down, and on with the bar."""

        def on(seen: Seen, progress: Progress) -> Waypoint:
            _, y, z = self.place(seen)
            return Waypoint(np.array([seen.hand[0] + self.way * _AHEAD, y, z]), 0.0, CLOSED, 0.7)

        def is_at_bar(seen: Seen) -> bool:
            way = seen.hand - self.place(seen)
            return abs(way[0]) < 0.05 and abs(way[1]) < 0.06 and abs(way[2]) < 0.025

        return [self.down(), Leg(on, until=self.is_there, keeps=is_at_bar, within=np.inf)]

    @abstractmethod
    def is_there(self, seen: Seen) -> bool:
        """Whether the drawer is where it is to be."""


class OpenDrawerExpert(_DrawerExpert):
    """Opens the drawer: reaches behind its handle from above, and pulls."""

    beside, way = 0.03, -1.0

    def is_there(self, seen: Seen) -> bool:
        """Whether the drawer is open."""
        return bool(seen.values["drawer/joint_position_normalized"][0] > 0.98)


class CloseDrawerExpert(_DrawerExpert):
    """Closes the drawer: pushes its handle."""

    beside, way = -0.045, 1.0

    def is_there(self, seen: Seen) -> bool:
        """Whether the drawer is closed."""
        return bool(seen.values["drawer/joint_position_normalized"][0] < 0.02)


class _CabinetExpert(PlayroomExpert, ABC):
    """Moves the door with its handle, a post, between the fingers: one on either side of it, seen from the door."""

    sees = ("cabinet/handle_position", "cabinet/handle_orientation_eul", "cabinet/joint_position_normalized")
    gripper = OPEN
    #: The door's hinge, world frame [m].
    HINGE = np.array([0.6, -0.38])
    #: How far the fingers' ends are above the middle of the post [m].
    above: ClassVar[float] = 0.052
    #: How far ahead of the door the hand goes [rad], and which way.
    ahead: ClassVar[float]

    def place(self, seen: Seen) -> np.ndarray:
        """At the upper end of the post."""
        return seen.values["cabinet/handle_position"] + np.array([0.0, 0.0, self.above])

    def turn(self, seen: Seen) -> float:
        """Fingers open along the door's normal."""
        return float(seen.values["cabinet/handle_orientation_eul"][2]) - np.pi / 2

    def get_work(self) -> Sequence[Leg]:
        """Down, close, along the arc, and let go."""

        def hold(seen: Seen, progress: Progress) -> Waypoint:
            return Waypoint(self.place(seen), self.turn(seen), CLOSED, 0.3)

        def along(seen: Seen, progress: Progress) -> Waypoint:
            place, (cos, sin) = self.place(seen), (np.cos(self.ahead), np.sin(self.ahead))
            place[:2] = self.HINGE + np.array([[cos, -sin], [sin, cos]]) @ (place[:2] - self.HINGE)
            return Waypoint(place, self.turn(seen) + self.ahead, CLOSED)

        def is_held(seen: Seen) -> bool:
            way = seen.hand - self.place(seen)
            return bool(seen.gap > _HOLDS and np.linalg.norm(way[:2]) < 0.05 and abs(way[2]) < 0.03)

        return [
            self.down(),
            Leg(hold, within=0.02, least=_CLOSING),
            Leg(along, until=self.is_there, keeps=is_held, within=np.inf, turn_within=np.inf),
            Leg(lambda seen, progress: Waypoint(progress.since.hand, self.turn(seen), OPEN), least=_CLOSING, turn_within=np.inf),
        ]

    @abstractmethod
    def is_there(self, seen: Seen) -> bool:
        """Whether the door is where it is to be."""


class OpenCabinetExpert(_CabinetExpert):
    """Opens the cabinet: takes the door's handle and goes with it along its arc."""

    ahead = 0.15

    def is_there(self, seen: Seen) -> bool:
        """Whether the door is open."""
        return bool(seen.values["cabinet/joint_position_normalized"][0] > 0.98)


class CloseCabinetExpert(_CabinetExpert):
    """Closes the cabinet likewise."""

    ahead = -0.15

    def is_there(self, seen: Seen) -> bool:
        """Whether the door is closed."""
        return bool(seen.values["cabinet/joint_position_normalized"][0] < 0.02)


class PressButtonExpert(PlayroomExpert):
    """Presses the button of the goal, with closed fingers."""

    env_name = "DrawerButtonPlayroomEnv3D"
    sees = ("buttons/position", "buttons/closed", "goals/button")

    def place(self, seen: Seen) -> np.ndarray:
        """Just above the button."""
        return seen.values["buttons/position"][self._number(seen)] + np.array([0.0, 0.0, 0.015])

    def get_work(self) -> Sequence[Leg]:
        """Down, and on until it is pressed."""

        def on(seen: Seen, progress: Progress) -> Waypoint:
            x, y, z = seen.values["buttons/position"][self._number(seen)]
            return Waypoint(np.array([x, y, z - 0.02]), 0.0, CLOSED, 0.4)

        return [self.down(), Leg(on, until=lambda seen: seen.values["buttons/closed"][self._number(seen)] > 0.5, within=np.inf)]

    @staticmethod
    def _number(seen: Seen) -> int:
        return int(np.argmax(seen.values["goals/button"]))


class BlockInDrawerExpert(PlayroomExpert):
    """Puts the block into the open drawer."""

    sees = ("objects/position", "objects/orientation_eul", "drawer/handle_position")
    gripper = OPEN
    #: Front of the desk, from the drawer's handle to the inside of its front, and its bottom: x, x and z [m], world frame.
    FRONT, INSIDE, BOTTOM = 0.6, 0.081, 0.078

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        check_reads(env_spec, {"objects/position": (1, 3)}, type(self).__name__, self.env_name)

    def place(self, seen: Seen) -> np.ndarray:
        """The middle of the block."""
        return seen.values["objects/position"][0]

    def turn(self, seen: Seen) -> float:
        """Along the sides of the block."""
        return reachable_turn(float(seen.values["objects/orientation_eul"][0, 2]), np.pi / 2, yaw_of_hand(seen.hand_quat))

    def get_work(self) -> Sequence[Leg]:
        """Down, close, up, over the drawer, down into it, and let go."""

        def hold(seen: Seen, progress: Progress) -> Waypoint:
            return Waypoint(progress.since.hand, yaw_of_hand(progress.since.hand_quat), CLOSED)

        def lift(seen: Seen, progress: Progress) -> Waypoint:
            return Waypoint(self._up(progress), yaw_of_hand(seen.hand_quat), CLOSED)

        def carry(seen: Seen, progress: Progress) -> Waypoint:
            return Waypoint(np.array([*self._middle(seen), _HIGH]), 0.0, CLOSED)

        def lower(seen: Seen, progress: Progress) -> Waypoint:
            return Waypoint(np.array([*self._middle(seen), self.BOTTOM + 0.035]), 0.0, CLOSED, 0.6)

        def let_go(seen: Seen, progress: Progress) -> Waypoint:
            return Waypoint(progress.since.hand, 0.0, OPEN)

        def is_held(seen: Seen) -> bool:
            return bool(seen.gap > _HOLDS and np.linalg.norm(seen.hand - self.place(seen)) < 0.04)

        return [
            self.down(),
            Leg(hold, within=np.inf, turn_within=np.inf, least=_CLOSING, is_delicate=True),
            Leg(lift, keeps=is_held, within=0.02, turn_within=np.inf),
            Leg(carry, keeps=is_held, within=0.015),
            Leg(lower, keeps=is_held, within=0.015, turn_within=np.inf),
            Leg(let_go, within=np.inf, turn_within=np.inf, least=_CLOSING, is_delicate=True),
        ]

    def _middle(self, seen: Seen) -> np.ndarray:
        """Returns the middle of the part of the drawer that is out, x and y."""
        x, y, _ = seen.values["drawer/handle_position"]
        return np.array([(x + self.INSIDE + self.FRONT) / 2, y])
