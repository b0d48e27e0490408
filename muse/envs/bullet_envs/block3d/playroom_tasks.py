"""What is to be done in a playroom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from muse.envs.bullet_envs.block3d.desk import (
    BUTTON_IN,
    DOOR_OPEN,
    DRAWER_IN,
    button_places,
    door_parts,
    door_place,
    drawer_parts,
    drawer_place,
    inside_drawer,
)
from muse.envs.bullet_envs.block3d.playroom_success_functions import (
    are_inside,
    is_opened,
    is_pressed_alone,
    ways_into,
)
from muse.envs.bullet_envs.block3d.success_functions import STILL
from muse.envs.bullet_envs.block3d.tasks import GOAL
from muse.envs.bullet_envs.bodies import Part, outline, ring
from muse.envs.bullet_envs.robot_bullet_env import State
from muse.envs.bullet_envs.scene import Scene

#: From the hinge to the door's handle [m].
_DOOR_ARM = 0.275


class PlayroomTask(ABC):
    """A task in a playroom. Its goal is an observation that stays the same for an episode."""

    #: Leaf of the goal.
    goal: ClassVar[tuple]
    #: How far drawer and cabinet may be open at a start; 0 is closed, 1 open.
    drawer: ClassVar[tuple[float, float]] = (0.0, 1.0)
    cabinet: ClassVar[tuple[float, float]] = (0.0, 1.0)
    #: Whether it is about the objects, which then start on the table.
    moves_objects: ClassVar[bool] = False

    @abstractmethod
    def draw_goal(self, rng: np.random.Generator, start: State) -> np.ndarray:
        """Returns a goal for a start, of which drawer, cabinet and objects are there."""

    @abstractmethod
    def is_done(self, state: State, goal: np.ndarray) -> bool:
        """Whether the task is done in a state."""

    @abstractmethod
    def left(self, state: State, goal: np.ndarray) -> float:
        """Returns the way that is left in a state, at least 0 [m]."""

    @abstractmethod
    def draw(self, scene: Scene, start: State, goal: np.ndarray) -> None:
        """Shows the goal."""


class MoveDrawer(PlayroomTask):
    """The drawer is to be opened or closed."""

    goal = ("goals/drawer", (1,), (0, 1), np.float32, "", "1: the drawer is to be open, 0: closed")
    target: ClassVar[float]

    def draw_goal(self, rng: np.random.Generator, start: State) -> np.ndarray:
        """Returns what the task says."""
        return np.array([self.target])

    def is_done(self, state: State, goal: np.ndarray) -> bool:
        """Whether the drawer is as far open as it should be."""
        return is_opened(float(state["drawer/joint_position_normalized"][0]), float(goal[0]))

    def left(self, state: State, goal: np.ndarray) -> float:
        """Returns how far the drawer has to go."""
        return DRAWER_IN * abs(float(state["drawer/joint_position_normalized"][0] - goal[0]))

    def draw(self, scene: Scene, start: State, goal: np.ndarray) -> None:
        """Draws the outline of the drawer's front where it is to be."""
        scene.draw_only(outline(drawer_parts()[:1], GOAL), drawer_place(DRAWER_IN * (1 - float(goal[0]))))


class OpenDrawer(MoveDrawer):
    """The drawer is to be opened."""

    target, drawer = 1.0, (0.0, 0.6)


class CloseDrawer(MoveDrawer):
    """The drawer is to be closed."""

    target, drawer = 0.0, (0.4, 1.0)


class MoveCabinet(PlayroomTask):
    """The cabinet is to be opened or closed."""

    goal = ("goals/cabinet", (1,), (0, 1), np.float32, "", "1: the cabinet is to be open, 0: closed")
    target: ClassVar[float]

    def draw_goal(self, rng: np.random.Generator, start: State) -> np.ndarray:
        """Returns what the task says."""
        return np.array([self.target])

    def is_done(self, state: State, goal: np.ndarray) -> bool:
        """Whether the door is as far open as it should be."""
        return is_opened(float(state["cabinet/joint_position_normalized"][0]), float(goal[0]))

    def left(self, state: State, goal: np.ndarray) -> float:
        """Returns how far the door's handle has to go."""
        return _DOOR_ARM * DOOR_OPEN * abs(float(state["cabinet/joint_position_normalized"][0] - goal[0]))

    def draw(self, scene: Scene, start: State, goal: np.ndarray) -> None:
        """Draws the outline of the door where it is to be."""
        scene.draw_only(outline(door_parts()[:1], GOAL), door_place(), (0.0, 0.0, DOOR_OPEN * float(goal[0])))


class OpenCabinet(MoveCabinet):
    """The cabinet is to be opened."""

    target, cabinet = 1.0, (0.0, 0.6)


class CloseCabinet(MoveCabinet):
    """The cabinet is to be closed."""

    target, cabinet = 0.0, (0.4, 1.0)


class PressButton(PlayroomTask):
    """One of the buttons is to be pressed, and no other."""

    goal = ("goals/button", (3,), (0, 1), np.float32, "", "1 for the button that is to be pressed")

    def draw_goal(self, rng: np.random.Generator, start: State) -> np.ndarray:
        """Draws one of the buttons."""
        return np.eye(3)[rng.integers(3)]

    def is_done(self, state: State, goal: np.ndarray) -> bool:
        """Whether the button is pressed in."""
        return is_pressed_alone(state["buttons/closed"], goal)

    def left(self, state: State, goal: np.ndarray) -> float:
        """Returns the way from the fingers to the button and down with it."""
        top = state["buttons/position"][int(np.argmax(goal))]
        depth = state["buttons/joint_position"][int(np.argmax(goal))]
        return float(np.linalg.norm(state["gripper_tip_pos"] - top)) + max(BUTTON_IN - float(depth), 0.0)

    def draw(self, scene: Scene, start: State, goal: np.ndarray) -> None:
        """Draws a ring around the button."""
        x, y, z = button_places()[int(np.argmax(goal))]
        scene.draw_only(ring(0.036, GOAL, 0.01), (x, y, z - 0.012))


class BlocksInDrawer(PlayroomTask):
    """All objects are to be put into the drawer, which is open, and let go."""

    goal = ("goals/position", (3,), (-np.inf, np.inf), np.float32, "m", "middle of the drawer's bottom at the start, world frame")
    drawer, moves_objects = (0.9, 1.0), True

    def draw_goal(self, rng: np.random.Generator, start: State) -> np.ndarray:
        """Returns the middle of the drawer's bottom."""
        low, high = inside_drawer(float(start["drawer/joint_position"][0]))
        return np.array([*((low + high) / 2)[:2], low[2]])

    def is_done(self, state: State, goal: np.ndarray) -> bool:
        """Whether all objects lie still in the drawer, let go."""
        still = np.linalg.norm(state["objects/velocity"], axis=-1) <= STILL
        inside = are_inside(state["objects/position"], _inside(state))
        return bool((inside & still & (state["objects/contact"] == 0)).all())

    def left(self, state: State, goal: np.ndarray) -> float:
        """Returns the mean way from the objects into the drawer."""
        return float(ways_into(state["objects/position"], _inside(state)).mean())

    def draw(self, scene: Scene, start: State, goal: np.ndarray) -> None:
        """Draws the edges of the drawer's bottom, where the drawer is at the start."""
        low, high = inside_drawer(float(start["drawer/joint_position"][0]))
        x, y, _ = high - low
        scene.draw_only(outline([Part((x - 0.01, y - 0.01, 0.001))], GOAL), goal + [0.0, 0.0, 0.002])


#: Name of a task -> what makes it.
TASKS: dict[str, Callable[[], PlayroomTask]] = {
    "open_drawer": OpenDrawer,
    "close_drawer": CloseDrawer,
    "open_cabinet": OpenCabinet,
    "close_cabinet": CloseCabinet,
    "block_in_drawer": BlocksInDrawer,
}
#: Those that want buttons.
BUTTON_TASKS: dict[str, Callable[[], PlayroomTask]] = {"press_button": PressButton}


def _inside(state: State) -> np.ndarray:
    return inside_drawer(float(state["drawer/joint_position"][0]))
