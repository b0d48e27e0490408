"""The arm of the worlds of bullet, as `muse.policies.waypoints` moves it, and the thing that it is to do something with."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from muse.policies.legs import LegPolicy
from muse.policies.row_policy import check_reads
from muse.policies.waypoints import multiply, pointing_down, yaw_of_hand
from muse.specs import EnvSpec
from muse.utils.abstract import Argument, resolve_arguments
from muse.utils.angles import wrap
from muse.utils.attrdicts import Batch
from muse.utils.rotations import matrix_from_euler, quaternion_from_euler

#: Gripper actions.
OPEN, CLOSED = 0.0, 255.0
#: Way between the fingers of the open gripper [m].
WIDEST = 0.08
#: Height at which the hand passes over things, and least height of the hand over the table [m].
ABOVE, LOWEST = 0.13, 0.013
#: Largest turn of the hand about the vertical either way, a little less than the arm's [rad].
LARGEST_TURN = math.pi / 2 - 0.03
#: Way to goals that are drawn, and corners of the part of the table where they are [m].
_WAYS, _LOW, _HIGH = (0.09, 0.2), np.array([0.35, -0.17]), np.array([0.61, 0.17])


class Seen(NamedTuple):
    """What an expert sees of one row, world frame.

    Attributes:
        hand: Place between the fingers' ends `(3,)` [m].
        hand_quat: `(4,)` (x, y, z, w); see `muse.policies.waypoints.Hand`.
        euler: The same as the env tells it `(3,)` [rad].
        gap: Between the fingers [m].
        place: Of the thing `(3,)` [m].
        turn: Of the thing, a matrix `(3, 3)` whose columns are its axes.
        size: Of the thing along its axes `(3,)` [m].
        goal: Of the thing.
    """

    hand: np.ndarray
    hand_quat: np.ndarray
    euler: np.ndarray
    gap: float
    place: np.ndarray
    turn: np.ndarray
    size: np.ndarray
    goal: np.ndarray

    @property
    def yaw(self) -> float:
        """Turn of the hand about the vertical [rad]."""
        return yaw_of_hand(self.hand_quat)

    @property
    def upright(self) -> int:
        """The axis of the thing that stands upright."""
        return int(np.abs(self.turn[2]).argmax())

    @property
    def height(self) -> float:
        """Of the thing as it lies [m]."""
        return float(self.size[self.upright])

    @property
    def thing_yaw(self) -> float:
        """Turn about the vertical of the thing's x axis, or of its y axis where x stands upright [rad]."""
        axis = 1 if self.upright == 0 else 0
        return math.atan2(self.turn[1, axis], self.turn[0, axis])

    @property
    def is_far(self) -> bool:
        """Whether the thing is not at the hand."""
        return bool(np.linalg.norm(self.place - self.hand) > 0.06)

    def yaw_across(self, direction: np.ndarray) -> float:
        """Returns the turn of a hand whose fingers are side by side across a level direction `(2,)` [rad]."""
        yaw = float(wrap(math.atan2(direction[1], direction[0]), math.pi))
        # Where both ends of the range are near, the one that the hand is at.
        return yaw - math.copysign(math.pi, yaw) if abs(yaw) > LARGEST_TURN - 0.1 and yaw * self.yaw < 0 else yaw

    def reach_along(self, direction: np.ndarray) -> float:
        """Returns how far the thing's outline reaches from its middle along a level direction `(2,)` of length 1 [m]."""
        return float(np.abs(self.size / 2 * (direction @ self.turn[:2])).sum())


class BulletArm(LegPolicy, ABC):
    """Moves the hand of `RobotBulletEnv` (`control_mode` `pose` or `delta_pose`) from leg to leg.

    What it sees has at least `hand`, `hand_quat` and `euler`, as `read_hand` gives them. Writes `action` `(7,)`.
    """

    predefined_arguments = resolve_arguments(
        LegPolicy.predefined_arguments,
        [
            # The arm is at the end of a step where it was told to be, unless something is in its way.
            Argument("position_gain", type=float, default=1.0, help="motion for each fastest step of way to go"),
            Argument("orientation_gain", type=float, default=1.0, help="motion for each fastest step of turn to go"),
        ],
    )

    #: An env that it is for, for messages.
    env_name: ClassVar[str] = "BlockEnv3D with the expert's task"
    metres, radians = 0.04, 0.15

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        self.reads = ("ee_position", "ee_orientation_eul", "gripper_pos", *self.get_reads())  # type: ignore[misc]
        check_reads(env_spec, {**dict.fromkeys(self.reads), "action": (7,)}, type(self).__name__, self.env_name)
        action = env_spec.leaf("action")
        # A pose of the hand has heights from the table up, a change of it goes both ways alike.
        self._is_change = bool(action.low[2] == -action.high[2])

    @abstractmethod
    def get_reads(self) -> Sequence[str]:
        """Returns what it reads besides the hand; asked for once, after the options were read."""

    def to_action(self, seen: Any, motion: np.ndarray, gripper: float) -> np.ndarray:
        """See `WaypointPolicy.to_action`."""
        change = np.concatenate([self.metres * motion[:3], self.radians * motion[3:]])
        # The first two Euler angles are about axes that turn with the third.
        cos, sin = np.cos(seen.euler[2]), np.sin(seen.euler[2])
        change[3:5] = cos * change[3] + sin * change[4], cos * change[4] - sin * change[3]
        if not self._is_change:
            change = np.concatenate([seen.hand, seen.euler]) + change
        return np.append(change, gripper)


def read_hand(values: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Returns place `(3,)`, quaternion `(4,)` (x, y, z, w) and Euler angles `(3,)` of the hand, and the gap between the fingers [m]."""
    euler = values["ee_orientation_eul"]
    quat = multiply(np.array(quaternion_from_euler(euler)), pointing_down(0.0))
    return values["ee_position"], quat, euler, WIDEST * (1 - float(values["gripper_pos"][0]) / CLOSED)


class BulletExpert(BulletArm, ABC):
    """Does something with one of the things on the table.

    A subclass says the legs, and which goal it is for. With several things it turns to the first that is not done.
    """

    predefined_arguments = [
        *BulletArm.predefined_arguments,
        Argument("draws_goals", type=bool, default=False, help="bring a thing to a goal drawn at the beginning, not to one observed, and end there"),
    ]  # fmt: skip

    draws_goals: bool

    #: The observation that is its goal, and the shape of one thing's.
    goal_name: ClassVar[str] = "goals/position"
    goal_shape: ClassVar[tuple[int, ...]] = (3,)

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        self.ends_when_done |= self.draws_goals
        self._goals: list[tuple[int, np.ndarray] | None] = []

    def get_reads(self) -> Sequence[str]:
        """See `BulletArm.get_reads`."""
        return ("objects/position", "objects/orientation_eul", "objects/size", *(() if self.draws_goals else (self.goal_name,)))

    @abstractmethod
    def is_done(self, seen: Seen) -> bool:
        """Whether nothing is left to do with the thing."""

    @abstractmethod
    def draw_goal(self, seen: Seen, generator: np.random.Generator) -> np.ndarray:
        """Returns a goal for the thing, for `draws_goals`."""

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """See `Policy.reset_policy`."""
        begun = self.begun_rows(rows, seeds)
        super().reset_policy(rows, seeds)
        if len(self._goals) != len(begun):
            self._goals = [None] * len(begun)
        for row in np.flatnonzero(begun).tolist():
            self._goals[row] = None

    def see_rows(self, obs: Batch) -> list[Seen]:
        """See `WaypointPolicy.see_rows`; with the goals of its own."""
        rows = super().see_rows(obs)
        if self.draws_goals and len(rows) == len(self._goals):
            for row, things in enumerate(rows):
                if self._goals[row] is None:
                    i = int(self.generator(row).integers(len(things)))
                    self._goals[row] = (i, self.draw_goal(things[i], self.generator(row)))
                i, goal = self._goals[row]  # type: ignore[misc]
                rows[row] = things[i]._replace(goal=goal)
        return rows

    def see(self, values: Mapping[str, np.ndarray]) -> Any:
        """See `WaypointPolicy.see`. With `draws_goals`, all things; else the first that is not done."""
        names = ("objects/position", "objects/orientation_eul", "objects/size")
        hand = read_hand(values)
        things = [
            Seen(*hand, place, matrix_from_euler(turn), size, goal)
            for place, turn, size, goal in zip(*(values[name] for name in names), self._goals_of(values), strict=True)
        ]
        return things if self.draws_goals else next((seen for seen in things if not self.is_done(seen)), things[-1])

    def _goals_of(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        if self.draws_goals:
            return np.zeros((len(values["objects/position"]), *self.goal_shape))
        return values[self.goal_name]


def draw_place(seen: Seen, generator: np.random.Generator, is_good: Callable[[np.ndarray], bool]) -> np.ndarray:
    """Returns a place for the thing on the table `(3,)`, at its height."""
    for _ in range(200):
        place = generator.uniform(_LOW, _HIGH)
        way = place - seen.place[:2]
        if _WAYS[0] <= np.linalg.norm(way) <= _WAYS[1] and is_good(way):
            return np.array([*place, seen.place[2]])
    return seen.place.copy()
