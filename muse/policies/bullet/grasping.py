"""Things on bullet's table that are grasped: to be lifted, placed, turned."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from muse.policies.bullet.arm import CLOSED, LARGEST_TURN, LOWEST, OPEN, WIDEST, BulletExpert, Seen, draw_place
from muse.policies.legs import Leg
from muse.policies.waypoints import Progress, Waypoint
from muse.utils.abstract import Argument
from muse.utils.angles import wrap

#: Steps in which the fingers close or open.
_CLOSING = 5
#: How deep a thing fits between the fingers [m].
_DEEP = 0.032
#: Turns of the fingers from across the handle of a round thing [rad].
_ROUND = (-0.7, -0.35, 0.0, 0.35, 0.7)
#: Turn to goals that are drawn [rad].
_TURNS = (math.radians(35), math.radians(70))


class GraspExpert(BulletExpert):
    """Grasps a thing from above; a thing that was lost is grasped again. A subclass says what follows."""

    predefined_arguments = BulletExpert.predefined_arguments + [
        Argument("round", type=bool, default=False, help="things are round, with a handle along their own x"),
    ]

    round: bool

    #: How much the hand may be turned away from a thing's sides that it grasps [rad].
    askew = 0.1
    #: Whether a thing that was pushed over is lost for the task.
    has_to_stand = False

    def get_legs(self) -> Sequence[Leg]:
        """Above the thing, down, close, and what follows."""
        # A round thing is nearly as wide as the open hand, and falls over when it is pushed by it.
        may_slip = not (self.round or self.has_to_stand)
        over = Leg(lambda seen, progress: self.grasp(seen, seen.place[2] + 0.1), 0.006 if self.round else 0.015, self.askew)
        down = Leg(
            lambda seen, progress: self.grasp(seen, self._depth(seen), 0.6),
            0.006,
            self.askew,
            most=25,
            may_slip=may_slip,
            is_delicate=self.round,
        )
        return (over, down, Leg(self._close, 1.0, 9.0, least=_CLOSING, is_delicate=True), *self.follow())

    @abstractmethod
    def follow(self) -> Sequence[Leg]:
        """Returns the legs after the grasp."""

    def grasp(self, seen: Seen, height: float, speed: float = 1.0) -> Waypoint:
        """Returns a hand at the thing, its fingers along two of its sides."""
        return Waypoint(np.array([*seen.place[:2], height]), self.grasp_yaw(seen), OPEN, speed)

    def grasp_yaw(self, seen: Seen) -> float:
        """Returns the nearest turn of the hand by which its fingers close on the thing's sides."""
        return min(self.grasp_yaws(seen), key=lambda yaw: abs(yaw - seen.yaw))

    def grasp_yaws(self, seen: Seen) -> list[float]:
        """Returns the turns of the hand by which its fingers close on the thing, in reach of the arm.

        On two sides of it, and not on sides that are too far apart; around a round thing, and not on its handle.
        """
        # The fingers open along y.
        turns = {
            axis: math.atan2(seen.turn[1, axis], seen.turn[0, axis]) - math.pi / 2 for axis in range(3) if axis != seen.upright
        }
        narrow = [turn for axis, turn in turns.items() if seen.size[axis] < WIDEST - 0.012] or list(turns.values())
        if self.round and seen.upright == 2:
            narrow = [turns[1] + aside for aside in _ROUND]
        return [yaw for turn in narrow if abs(yaw := float(wrap(turn, math.pi))) <= LARGEST_TURN] or [0.0]

    def is_held(self, seen: Seen) -> bool:
        """Whether the thing is between the fingers."""
        return bool(np.linalg.norm(seen.place - seen.hand) < 0.04 and seen.gap > 0.5 * min(seen.size))

    def raised(self, height: float) -> Leg:
        """Returns a leg that raises the hand."""
        return Leg(
            lambda seen, progress: self.still(progress.since, [0, 0, height], speed=0.7),
            within=0.02,
            turn_within=9.0,
            keeps=self.is_held,
        )

    def let_go(self) -> Sequence[Leg]:
        """Returns legs that open the fingers and leave upwards."""
        return (
            Leg(lambda seen, progress: self.still(progress.since, gripper=OPEN), within=1.0, turn_within=9.0, least=_CLOSING, is_delicate=True),
            Leg(lambda seen, progress: self.still(progress.since, [0, 0, 0.1], OPEN), within=0.02, turn_within=9.0, most=15, moves_on=True),
        )  # fmt: skip

    def still(self, since: Seen, way: Sequence[float] = (0, 0, 0), gripper: float = CLOSED, speed: float = 1.0) -> Waypoint:
        """Returns the hand as it was, moved by a way."""
        return Waypoint(since.hand + np.array(way), since.yaw, gripper, speed)

    def _close(self, seen: Seen, progress: Progress) -> Waypoint:
        return self.still(progress.since)

    def _depth(self, seen: Seen) -> float:
        """Returns the height of the grasp: the middle of the thing, or as deep as the palm lets the fingers go.

        The ends of fingers that lean stay off the table.
        """
        lowest = LOWEST + 0.01 * abs(math.sin(seen.euler[1]))
        return max(lowest, float(seen.place[2]), float(seen.place[2]) + seen.height / 2 - _DEEP)


class LiftExpert(GraspExpert):
    """Grasps a thing and lifts it."""

    def follow(self) -> Sequence[Leg]:
        """Up to the goal and a little more; a lift that is a skill of its own ends with the thing on the table."""
        up = Leg(lambda seen, progress: self._up(seen, progress), within=0.02, turn_within=9.0, keeps=self.is_held)
        return (up, *self.put_down()) if self.draws_goals else (up, up)

    def _up(self, seen: Seen, progress: Progress) -> Waypoint:
        return self.still(progress.since, [0, 0, seen.goal[2] + 0.02 - progress.since.place[2]], speed=0.7)

    def put_down(self) -> Sequence[Leg]:
        """Returns legs that lower the thing onto the table and leave it."""
        down = Leg(
            lambda seen, progress: self.still(seen, [0, 0, seen.height / 2 - seen.place[2] - 0.002], speed=0.5), within=0.006,
            turn_within=9.0, keeps=self.is_held, most=40, moves_on=True,
        )  # fmt: skip
        return (down, *self.let_go())

    def is_done(self, seen: Seen) -> bool:
        """See `BulletExpert.is_done`."""
        return bool(seen.place[2] >= seen.goal[2])

    def draw_goal(self, seen: Seen, generator: np.random.Generator) -> np.ndarray:
        """See `BulletExpert.draw_goal`."""
        return seen.place + np.array([0.0, 0.0, generator.uniform(0.08, 0.16)])


class PlaceExpert(GraspExpert):
    """Grasps a thing, carries it to its goal, puts it down and lets go."""

    def follow(self) -> Sequence[Leg]:
        """Up, over the goal, down, open."""
        held = {"turn_within": 9.0, "keeps": self.is_held}
        return (
            self.raised(0.12),
            Leg(lambda seen, progress: self._lead(seen, progress, 0.06), within=0.006, **held),
            Leg(lambda seen, progress: self._lead(seen, progress, -0.002, 0.4), within=0.005, most=40, moves_on=True, **held),
            *self.let_go(),
        )  # fmt: skip

    def _lead(self, seen: Seen, progress: Progress, above: float, speed: float = 0.8) -> Waypoint:
        """It is the thing that is led, not the hand."""
        return Waypoint(seen.hand + seen.goal + np.array([0.0, 0.0, above]) - seen.place, progress.since.yaw, CLOSED, speed)

    def is_done(self, seen: Seen) -> bool:
        """See `BulletExpert.is_done`."""
        return bool(np.linalg.norm(seen.place - seen.goal) < 0.02) and not self.is_held(seen)

    def draw_goal(self, seen: Seen, generator: np.random.Generator) -> np.ndarray:
        """See `BulletExpert.draw_goal`: a place on the table."""
        return draw_place(seen, generator, lambda way: True)


class RotateExpert(GraspExpert):
    """Grasps a thing and turns it about the vertical where it stands."""

    goal_name, goal_shape = "goals/yaw", ()
    has_to_stand = True

    def follow(self) -> Sequence[Leg]:
        """Turn, open."""
        turn = Leg(self._turn, within=0.02, turn_within=0.08, keeps=self.is_held, may_slip=False)
        return (turn, *self.let_go())

    def grasp_yaw(self, seen: Seen) -> float:
        """See `GraspExpert.grasp_yaw`; one from which the hand can turn to the goal."""
        left = self._left(seen)
        possible = [yaw for yaw in self.grasp_yaws(seen) if abs(yaw + left) <= LARGEST_TURN] or self.grasp_yaws(seen)
        return min(possible, key=lambda yaw: abs(yaw - seen.yaw))

    def _left(self, seen: Seen) -> float:
        return float(wrap(seen.goal - seen.thing_yaw))

    def _turn(self, seen: Seen, progress: Progress) -> Waypoint:
        yaw = seen.yaw + self._left(seen)
        # A mug that is pressed onto the table while it is turned slips out of the fingers.
        up = np.array([0.0, 0.0, 0.01 if self.round else 0.0])
        return Waypoint(progress.since.hand + up, float(np.clip(yaw, -LARGEST_TURN, LARGEST_TURN)), CLOSED)

    def is_done(self, seen: Seen) -> bool:
        """See `BulletExpert.is_done`."""
        return abs(self._left(seen)) < 0.1

    def draw_goal(self, seen: Seen, generator: np.random.Generator) -> np.ndarray:
        """See `BulletExpert.draw_goal`."""
        return np.array(seen.thing_yaw + generator.uniform(*_TURNS) * generator.choice([-1.0, 1.0]))
