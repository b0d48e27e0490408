"""Blocks on a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from muse.envs.bullet_envs.block3d.success_functions import ANGLE_TOLERANCE, TOLERANCE
from muse.envs.bullet_envs.block3d.tasks import TASKS, Task
from muse.envs.bullet_envs.bodies import Colour, Part
from muse.envs.bullet_envs.robot_bullet_env import RobotBulletEnv, State
from muse.envs.bullet_envs.scene import Scene
from muse.envs.bullet_envs.table import table_range
from muse.envs.env import EnvError
from muse.envs.placing import draw_places
from muse.specs import EnvSpec
from muse.utils.abstract import Argument

#: Colours of objects, one after another.
COLOURS: tuple[Colour, ...] = ((0.15, 0.39, 0.75, 1.0), (0.88, 0.5, 0.12, 1.0), (0.5, 0.3, 0.68, 1.0))
_MARK: Colour = (0.95, 0.93, 0.86, 1.0)
#: Free way between objects at a start [m].
_GAP = 0.04
_ATTEMPTS = 200
#: Part of the table, from its middle, on which goals are drawn.
_GOAL_BOUNDS = 0.75


class BlockEnv3D(RobotBulletEnv):
    """Blocks on a table, with which something is to be done; they start upright.

    `task`: `push` and `pull` move a block over the table to `goals/position`, away from the arm or towards it; `lift` raises it
    to the height of `goals/position`; `place` puts it on a pedestal at `goals/position` and lets it go; `tip` turns it over, so that its
    top points along `goals/direction`; `rotate` turns it about the vertical to `goals/yaw`. Solved when all blocks are there,
    within `tolerance` or `angle_tolerance`. A stripe on its top and one side tells how a block is turned.
    """

    predefined_arguments = [
        *RobotBulletEnv.predefined_arguments,
        Argument("task", type=str, default="push", choices=tuple(TASKS), help="what is to be done"),
        Argument("tolerance", type=float, default=TOLERANCE, help="way from a goal that counts as reached", unit="m"),
        Argument("angle_tolerance", type=float, default=ANGLE_TOLERANCE, help="turn likewise", unit="rad"),
    ]

    #: Name of a task -> its class.
    tasks: ClassVar[Mapping[str, type[Task]]] = TASKS

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        for name in ("num_blocks", "tolerance", "angle_tolerance"):
            if not getattr(self, name) > 0:
                raise EnvError(f"{self.name}: {name}", str(getattr(self, name)), "more than 0")
        self._task = self.make_task()
        self._goal = self._task.goal[0]

    def make_task(self) -> Task:
        """Returns what is to be done."""
        return self.tasks[self.task](self.tolerance, self.angle_tolerance)

    @classmethod
    def get_task_leaves(cls, params: Mapping[str, Any]) -> tuple[list[tuple], list[tuple]]:
        """See `RobotBulletEnv.get_task_leaves`."""
        name, shape, *rest = cls.tasks[params["task"]].goal
        return [(name, (params["num_blocks"], *shape), *rest)], []

    def draw_start(self, given: State) -> State:
        """Draws sizes, masses, objects on the table, and goals."""
        n, rng = self.num_blocks, self.rng
        start = {"objects/size": self.draw_sizes(given), "objects/mass": self.draw_masses(given)}
        reaches = self.find_reaches(start["objects/size"])
        turns = np.zeros((n, 3))
        turns[:, 2] = rng.uniform(-self.object_rotation_bounds, self.object_rotation_bounds, n)
        start["objects/orientation_eul"] = given.get("objects/orientation_eul", turns)
        for _ in range(_ATTEMPTS):
            places = self.draw_places(reaches)
            places[:, 2] += start["objects/size"][:, 2] / 2
            start["objects/position"] = given.get("objects/position", places)
            goals = given[self._goal] if self._goal in given else self._task.draw_goals(rng, start, *table_range(_GOAL_BOUNDS))
            if goals is not None:
                return {**start, self._goal: goals}
        raise EnvError(
            f"{self.name}.reset", "no room for goals", "fewer objects, larger object_start_bounds, or starts elsewhere"
        )

    def draw_sizes(self, given: State) -> np.ndarray:
        """Returns sizes `(n, 3)` [m]; what is to be tipped over is drawn no wider than high."""
        sizes = super().draw_sizes(given)
        return np.sort(sizes, axis=-1) if self._task.wants_tall and "objects/size" not in given else sizes

    def draw_places(self, reaches: np.ndarray) -> np.ndarray:
        """Returns where objects of these reaches `(n,)` [m] stand at the start, `(n, 3)` [m]."""
        low, high = table_range(self.object_start_bounds)
        places = draw_places(self.rng, reaches.tolist(), low, high, _GAP, where=self.name)
        return np.column_stack([places, np.zeros(len(places))])

    def find_reaches(self, sizes: np.ndarray) -> np.ndarray:
        """Returns how far objects of these sizes `(n, 3)` reach from their middle, seen from above, `(n,)` [m]."""
        return np.hypot(sizes[:, 0], sizes[:, 1]) / 2

    def make_objects(self) -> list[list[Part]]:
        """Returns boxes with stripes."""
        return [make_block(size, COLOURS[i % len(COLOURS)]) for i, size in enumerate(self.start["objects/size"].tolist())]

    def make_outlines(self) -> list[list[Part]]:
        """Returns parts whose edges show where an object is to be."""
        return [[Part(size)] for size in self.start["objects/size"].tolist()]

    def build(self, scene: Scene) -> None:
        """Adds the table and what the task needs."""
        super().build(scene)
        self._task.build(scene, self.start)

    def draw_goals(self, scene: Scene) -> None:
        """Shows the goals."""
        self._task.draw(scene, self.start, self.make_outlines())

    def is_solved(self, state: State) -> bool:
        """Whether the task is done for every object."""
        return bool(self._task.are_done(state, self.start[self._goal]).all())

    def distance_left(self, state: State) -> float:
        """Returns the mean of what is left for the objects [m], or [rad] for `tip` and `rotate`."""
        return float(self._task.lefts(state, self.start[self._goal]).mean())


def make_block(size: list[float], colour: Colour) -> list[Part]:
    """Returns a box with a stripe from the middle of its top to its front, and down there."""
    x, y, z = size
    thin, wide = 0.0006, 0.2 * min(size)
    top = Part((x / 2, wide, thin), (x / 4, 0.0, z / 2), colour=_MARK, is_solid=False)
    front = Part((thin, wide, z), (x / 2, 0.0, 0.0), colour=_MARK, is_solid=False)
    return [Part((x, y, z), colour=colour), top, front]
