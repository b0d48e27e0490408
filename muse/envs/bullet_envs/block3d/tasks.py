"""What is to be done with the objects on the table."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from muse.envs.bullet_envs.block3d.success_functions import STILL, climbs, leans, tips, turns, ways
from muse.envs.bullet_envs.bodies import Colour, Part, outline, ring
from muse.envs.bullet_envs.robot_bullet_env import State
from muse.envs.bullet_envs.robot_spec import INFINITE
from muse.envs.bullet_envs.scene import Scene
from muse.utils.rotations import euler_from_matrix, matrix_from_euler

#: Colour of goals.
GOAL: Colour = (0.05, 0.75, 0.3, 1.0)
_PEDESTAL: Colour = (0.45, 0.5, 0.58, 1.0)
#: Sides and height of what objects are placed on [m].
PEDESTAL = (0.09, 0.09, 0.05)
#: Least and largest way to a goal on the table, its least part along x for a push and a pull [m].
_WAYS, _AHEAD = (0.09, 0.22), 0.07
#: Way between two goals, and from a pedestal to an object [m].
APART = 0.13
#: Least and largest turn to a goal [rad].
_TURNS = (math.radians(35), math.radians(70))
#: How high objects are lifted [m].
_LIFT = 0.1
_QUARTER = math.pi / 2

Parts = Sequence[Sequence[Part]]


class Task(ABC):
    """A task for `n` objects, done when it is done for each. Its goal is an observation that stays the same for an episode.

    Args:
        tolerance: Way from a goal that counts as reached [m].
        angle_tolerance: Turn likewise [rad].
    """

    #: Leaf of the goal of one object.
    goal: ClassVar[tuple] = ("goals/position", (3,), INFINITE, np.float32, "m", "where the centre of mass is to be, world frame")

    #: Whether drawn objects are no wider than high.
    wants_tall: ClassVar[bool] = False

    def __init__(self, tolerance: float, angle_tolerance: float) -> None:
        self.tolerance, self.angle_tolerance = tolerance, angle_tolerance

    @abstractmethod
    def draw_goals(self, rng: np.random.Generator, start: State, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """Returns a goal for each object, `(n, ...)`, or None where there is no room for them.

        Args:
            rng: Generator.
            start: With the names `objects/...`.
            low, high: Corners of the part of the table where goals may be `(2,)` [m].
        """

    @abstractmethod
    def are_done(self, state: State, goals: np.ndarray) -> np.ndarray:
        """Returns for each object whether its task is done, `(n,)` bool."""

    @abstractmethod
    def lefts(self, state: State, goals: np.ndarray) -> np.ndarray:
        """Returns what is left for each object, at least 0, `(n,)` [m] or [rad]."""

    @abstractmethod
    def draw(self, scene: Scene, start: State, parts: Parts) -> None:
        """Shows the goals of the objects, which are made of `parts`."""

    def build(self, scene: Scene, start: State) -> None:
        """Adds what the task needs besides the objects."""


class Move(Task, ABC):
    """Objects are to be moved over the table to goals."""

    #: On which side goals are drawn, seen from the object along x.
    side: ClassVar[int]

    def draw_goals(self, rng: np.random.Generator, start: State, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """Draws goals on the table, apart from each other."""

        def is_good(way: np.ndarray) -> bool:
            return bool(_WAYS[0] <= np.hypot(*way) <= _WAYS[1] and self.side * way[0] >= _AHEAD)

        return _draw_apart(rng, start["objects/position"], low, high, is_good)

    def are_done(self, state: State, goals: np.ndarray) -> np.ndarray:
        """Whether objects are at their goals."""
        return self.lefts(state, goals) <= self.tolerance

    def lefts(self, state: State, goals: np.ndarray) -> np.ndarray:
        """Returns the way to the goals."""
        return ways(state["objects/position"], goals)

    def draw(self, scene: Scene, start: State, parts: Parts) -> None:
        """Draws a ring on the table, around where the object may be, and its middle."""
        for (x, y, _), size in zip(start["goals/position"], start["objects/size"], strict=True):
            radius = self.tolerance + float(np.hypot(size[0], size[1])) / 2
            scene.draw_only([*ring(radius, GOAL, 0.008), Part((0.014, 0.014, 0.002), colour=GOAL)], (x, y, 0.001))


class Push(Move):
    """Goals away from the arm."""

    side = 1


class Pull(Move):
    """Goals towards the arm."""

    side = -1


class Lift(Task):
    """Objects are to be lifted, each as high as its goal."""

    def draw_goals(self, rng: np.random.Generator, start: State, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """Returns places above the objects."""
        return start["objects/position"] + np.array([0.0, 0.0, _LIFT])

    def are_done(self, state: State, goals: np.ndarray) -> np.ndarray:
        """Whether objects are as high as their goals, or higher."""
        return self.lefts(state, goals) == 0

    def lefts(self, state: State, goals: np.ndarray) -> np.ndarray:
        """Returns what is left to climb."""
        return climbs(state["objects/position"], goals)

    def draw(self, scene: Scene, start: State, parts: Parts) -> None:
        """Draws the outline of the object where it is to be."""
        for place, euler, pieces in zip(start["goals/position"], start["objects/orientation_eul"], parts, strict=True):
            scene.draw_only(outline(pieces, GOAL), place, euler)


class Put(Task, ABC):
    """Objects are to be put down at goals and let go."""

    def are_done(self, state: State, goals: np.ndarray) -> np.ndarray:
        """Whether objects lie still at their goals, let go."""
        still = np.linalg.norm(state["objects/velocity"], axis=-1) <= STILL
        return (self.lefts(state, goals) <= self.tolerance) & still & (state["objects/contact"] == 0)

    def lefts(self, state: State, goals: np.ndarray) -> np.ndarray:
        """Returns the way to the goals."""
        return ways(state["objects/position"], goals)

    def draw(self, scene: Scene, start: State, parts: Parts) -> None:
        """Draws a ring below each goal."""
        for (x, y, z), size in zip(start["goals/position"], start["objects/size"], strict=True):
            scene.draw_only(ring(0.032, GOAL, 0.007), (x, y, z - size[2] / 2 + 0.001))


class Place(Put):
    """Goals on pedestals."""

    def draw_goals(self, rng: np.random.Generator, start: State, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """Draws pedestals apart from objects and from each other."""
        goals = _draw_apart(rng, start["objects/position"], low, high, lambda way: bool(np.hypot(*way) >= APART))
        return None if goals is None else goals + np.array([0.0, 0.0, PEDESTAL[2]])

    def build(self, scene: Scene, start: State) -> None:
        """Adds the pedestals."""
        for x, y, _ in start["goals/position"]:
            scene.add("a pedestal", [Part(PEDESTAL, colour=_PEDESTAL)], (x, y, PEDESTAL[2] / 2))


class Tip(Task):
    """Objects are to be tipped over, so that what was their top points in a direction."""

    goal = ("goals/direction", (2,), (-1, 1), np.float32, "", "where the top is to point, along x and y, of length 1")
    # What is wide and low slides when it is pushed.
    wants_tall = True

    def draw_goals(self, rng: np.random.Generator, start: State, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """Draws for each object a side to which it falls, but not its front, where a mug has its handle."""
        turn = start["objects/orientation_eul"][:, 2] + _QUARTER * rng.integers(1, 4, size=len(start["objects/position"]))
        return np.stack([np.cos(turn), np.sin(turn)], axis=-1)

    def are_done(self, state: State, goals: np.ndarray) -> np.ndarray:
        """Whether the tops of objects point where they are to."""
        return self.lefts(state, goals) <= self.angle_tolerance

    def lefts(self, state: State, goals: np.ndarray) -> np.ndarray:
        """Returns the angle from each top to where it is to point."""
        return tips(state["objects/orientation_eul"], goals)

    def draw(self, scene: Scene, start: State, parts: Parts) -> None:
        """Draws the outline of the object as it lies when it is tipped over where it stands."""
        names = ("goals/direction", "objects/position", "objects/orientation_eul", "objects/size")
        for (x, y), place, euler, size, pieces in zip(*(start[name] for name in names), parts, strict=True):
            # A quarter turn about the level axis left of the direction.
            lying = np.array([[x, y, 0.0], [-y, x, 0.0], [0.0, 0.0, 1.0]]).T @ matrix_from_euler((0, _QUARTER, 0))
            lying = lying @ np.array([[x, y, 0.0], [-y, x, 0.0], [0.0, 0.0, 1.0]]) @ matrix_from_euler(euler)
            along = abs(math.cos(math.atan2(y, x) - euler[2]))
            width = size[0] if along > 0.5 else size[1]
            way = (width + size[2]) / 2
            scene.draw_only(
                outline(pieces, GOAL), (place[0] + way * x, place[1] + way * y, width / 2), euler_from_matrix(lying).tolist()
            )


class Rotate(Task):
    """Objects are to be turned about the vertical."""

    goal = ("goals/yaw", (), INFINITE, np.float32, "rad", "the third of the orientation")

    def draw_goals(self, rng: np.random.Generator, start: State, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """Draws a turn either way for each object."""
        yaws = start["objects/orientation_eul"][:, 2]
        return yaws + rng.uniform(*_TURNS, len(yaws)) * rng.choice([-1.0, 1.0], len(yaws))

    def are_done(self, state: State, goals: np.ndarray) -> np.ndarray:
        """Whether objects are turned as their goals say, and upright."""
        upright = leans(state["objects/orientation_eul"]) <= self.angle_tolerance
        return (self.lefts(state, goals) <= self.angle_tolerance) & upright

    def lefts(self, state: State, goals: np.ndarray) -> np.ndarray:
        """Returns the turn that is left."""
        return turns(state["objects/orientation_eul"], goals)

    def draw(self, scene: Scene, start: State, parts: Parts) -> None:
        """Draws the outline of the object as it is to be turned, and a bar that points where its front is to be."""
        names = ("goals/yaw", "objects/position", "objects/size")
        for yaw, place, size, pieces in zip(*(start[name] for name in names), parts, strict=True):
            bar = Part((0.04, 0.01, 0.004), (size[0] / 2 + 0.045, 0.0, -size[2] / 2), colour=GOAL)
            scene.draw_only([*outline(pieces, GOAL), bar], place, (0.0, 0.0, yaw))


TASKS: dict[str, type[Task]] = {"push": Push, "pull": Pull, "lift": Lift, "place": Place, "tip": Tip, "rotate": Rotate}


def _draw_apart(
    rng: np.random.Generator, places: np.ndarray, low: np.ndarray, high: np.ndarray, is_good: Callable[[np.ndarray], bool]
) -> np.ndarray | None:
    """Returns a goal for each place `(n, 3)`, at its height, apart from other goals; `is_good` judges the way to it `(2,)`."""
    goals: list[np.ndarray] = []
    for place in places:
        for _ in range(50):
            goal = rng.uniform(low, high)
            if is_good(goal - place[:2]) and all(np.hypot(*(goal - other[:2])) >= APART for other in goals):
                goals.append(np.array([*goal, place[2]]))
                break
        else:
            return None
    return np.array(goals)
