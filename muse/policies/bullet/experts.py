"""Scripted experts of the blocks on bullet's table: each a skill, by what it sees alone."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from muse.policies.bullet.arm import CLOSED, OPEN, WIDEST, BulletExpert, Seen
from muse.policies.legs import Leg
from muse.policies.waypoints import Progress, Waypoint
from muse.utils.abstract import Argument
from muse.utils.angles import wrap

#: Height at which the hand passes over things, and least height of the hand over the table [m].
ABOVE, LOWEST = 0.13, 0.013
#: Steps in which the fingers close or open.
_CLOSING = 5
#: Largest turn of the hand either way, a little less than the arm's [rad], and largest tilt.
_TURN, _TILT, _LEAST_TILT = math.pi / 2 - 0.03, 0.75, 0.2
#: Gripper action of fingers side by side, with a gap that nothing gets caught in.
_NARROW = 0.85 * CLOSED
#: How deep a thing fits between the fingers [m].
_DEEP = 0.032
#: Turns of the fingers from across the handle of a round thing [rad].
_ROUND = (-0.7, -0.35, 0.0, 0.35, 0.7)
#: Way to goals that are drawn [m], and turn [rad].
_WAYS, _TURNS = (0.09, 0.2), (math.radians(35), math.radians(70))
#: Part of the table on which goals are drawn: corners [m].
_LOW, _HIGH = np.array([0.35, -0.17]), np.array([0.61, 0.17])


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
                until=lambda seen: is_far(seen) or seen.gap > 0.9 * WIDEST,
                **anyhow,
            ),
            Leg(
                lambda seen, progress: self._still(progress.since, 0.1),
                until=lambda seen: is_far(seen) or seen.hand[2] > 0.1,
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
        return Waypoint(np.array([*place, height]), self._yaw(seen, direction), _NARROW)

    def _yaw(self, seen: Seen, direction: np.ndarray) -> float:
        """Fingers side by side across the way."""
        yaw = float(wrap(math.atan2(direction[1], direction[0]), math.pi))
        # Where both ends of the range are near, the one that the hand is at.
        return yaw - math.copysign(math.pi, yaw) if abs(yaw) > _TURN - 0.1 and yaw * seen.yaw < 0 else yaw

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


class GraspExpert(BulletExpert):
    """Grasps a thing from above; a thing that was lost is grasped again. A subclass says what follows."""

    predefined_arguments = BulletExpert.predefined_arguments + [
        Argument("round", type=bool, default=False, help="things are round, with a handle along their own x"),
    ]

    round: bool

    #: How much the hand may be turned away from a thing's sides that it grasps [rad].
    askew = 0.1

    def get_legs(self) -> Sequence[Leg]:
        """Above the thing, down, close, and what follows."""
        # A round thing is nearly as wide as the open hand, and falls over when it is pushed by it.
        over = Leg(lambda seen, progress: self.grasp(seen, seen.place[2] + 0.1), 0.006 if self.round else 0.015, self.askew)
        down = Leg(
            lambda seen, progress: self.grasp(seen, self._depth(seen), 0.6), 0.006, self.askew, most=25, may_slip=not self.round
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
        return [yaw for turn in narrow if abs(yaw := float(wrap(turn, math.pi))) <= _TURN] or [0.0]

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

    def follow(self) -> Sequence[Leg]:
        """Turn, open."""
        turn = Leg(self._turn, within=0.02, turn_within=0.08, keeps=self.is_held)
        return (turn, *self.let_go())

    def grasp_yaw(self, seen: Seen) -> float:
        """See `GraspExpert.grasp_yaw`; one from which the hand can turn to the goal."""
        left = self._left(seen)
        possible = [yaw for yaw in self.grasp_yaws(seen) if abs(yaw + left) <= _TURN] or self.grasp_yaws(seen)
        return min(possible, key=lambda yaw: abs(yaw - seen.yaw))

    def _left(self, seen: Seen) -> float:
        return float(wrap(seen.goal - yaw_of_thing(seen)))

    def _turn(self, seen: Seen, progress: Progress) -> Waypoint:
        yaw = seen.yaw + self._left(seen)
        return Waypoint(progress.since.hand, float(np.clip(yaw, -_TURN, _TURN)), CLOSED)

    def is_done(self, seen: Seen) -> bool:
        """See `BulletExpert.is_done`."""
        return abs(self._left(seen)) < 0.1

    def draw_goal(self, seen: Seen, generator: np.random.Generator) -> np.ndarray:
        """See `BulletExpert.draw_goal`."""
        return np.array(yaw_of_thing(seen) + generator.uniform(*_TURNS) * generator.choice([-1.0, 1.0]))


class TipExpert(GraspExpert):
    """Grasps a thing with a hand that leans back, lifts it, leans forward, and puts it down on its side.

    Where the arm cannot lean as far, the thing falls over as it is let go.
    """

    goal_name, goal_shape = "goals/direction", (2,)
    #: Height at which the arm can lean to either side, and how near to its base it cannot [m].
    up, near = 0.22, 0.45
    askew = 0.12

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
        yaw = float(wrap(math.atan2(seen.goal[1], seen.goal[0]), math.pi))
        return yaw - math.copysign(math.pi, yaw) if abs(yaw) > _TURN - 0.1 and yaw * seen.yaw < 0 else yaw

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
        yaw = yaw_of_thing(seen) + math.pi / 2 * generator.integers(4)
        return np.array([math.cos(yaw), math.sin(yaw)])


def is_far(seen: Seen) -> bool:
    """Whether the thing is not at the hand."""
    return bool(np.linalg.norm(seen.place - seen.hand) > 0.06)


def yaw_of_thing(seen: Seen) -> float:
    """Returns the turn about the vertical of the thing's x axis, or of its y axis where x stands upright [rad]."""
    axis = 1 if seen.upright == 0 else 0
    return math.atan2(seen.turn[1, axis], seen.turn[0, axis])


def draw_place(seen: Seen, generator: np.random.Generator, is_good: Callable[[np.ndarray], bool]) -> np.ndarray:
    """Returns a place for the thing on the table `(3,)`, at its height."""
    for _ in range(200):
        place = generator.uniform(_LOW, _HIGH)
        way = place - seen.place[:2]
        if _WAYS[0] <= np.linalg.norm(way) <= _WAYS[1] and is_good(way):
            return np.array([*place, seen.place[2]])
    return seen.place.copy()
