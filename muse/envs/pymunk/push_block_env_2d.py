"""Blocks that are to be brought to goals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.env import EnvError
from muse.envs.placing import draw_places
from muse.envs.pymunk.goal_block_env_2d import GoalBlockEnv2D
from muse.envs.pymunk.scene import State, box_polygon
from muse.envs.pymunk.success_functions import ANGLE_TOLERANCE, TOLERANCE, position_errors
from muse.envs.pymunk.view import BLOCKS, BlockView
from muse.envs.simple.canvas import Canvas
from muse.utils.abstract import Argument
from muse.utils.angles import wrap

#: Way from a block's edge, or a goal's, to the walls: the ego fits between [px of the ego's size].
_ROOM = 1.5


class PushBlockEnv2D(GoalBlockEnv2D):
    """Blocks are to be pushed, or pulled, to goals of their own.

    Solved when every block is within `tolerance` of its goal and, with `use_goal_angles`, turned as it is within `angle_tolerance`.
    A box that looks the same after a half or a quarter turn may be turned so.

    Observations of the task: `goal_block_positions` `(n, 2)` and, with `use_goal_angles`, `goal_block_angles` `(n,)`.
    """

    predefined_arguments = [
        *GoalBlockEnv2D.predefined_arguments,
        Argument("tolerance", type=float, default=TOLERANCE, help="way from a goal at which a block has reached it", unit="px"),
        Argument("use_goal_angles", type=bool, default=False, help="blocks are to be turned, too"),
        Argument("angle_tolerance", type=float, default=ANGLE_TOLERANCE, help="turn from a goal likewise", unit="rad"),
        Argument(
            "min_goal_distance", type=float, default=80.0, help="least way from a block to its goal, where drawn", unit="px"
        ),
    ]
    # A pushed block stops where it is let go.
    default_params = AttrDict(damping=0.0)
    positive_options = (*GoalBlockEnv2D.positive_options, "angle_tolerance")

    @classmethod
    def get_task_leaves(cls, params: Mapping[str, Any]) -> tuple[list[tuple], list[tuple]]:
        """See `BlockEnv2D.get_task_leaves`."""
        goals, task_params = super().get_task_leaves(params)
        if params["use_goal_angles"]:
            goals.append(("goal_block_angles", (params["num_blocks"],), (-math.pi, math.pi), np.float32, "rad", "of each block"))
        return goals, task_params

    def draw_start(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Draws blocks, then goals, then the ego, none of them on another."""
        n, rng = self.num_blocks, self.rng
        sizes = self.draw_sizes(given)
        radii = np.hypot(sizes[:, 0], sizes[:, 1]) / 2
        ego_radius = self.ego_size / math.sqrt(2)
        room = float(radii.max()) + _ROOM * self.ego_size
        low, high = (room, room), (self.grid_size[0] - room, self.grid_size[1] - room)
        start = dict(given, block_sizes=sizes)
        if min(high) <= room:
            raise EnvError(f"{self.name}.reset", "no room between the walls", "smaller blocks, or a larger grid_size")
        for _ in range(1000):
            blocks = given.get("block_positions")
            if blocks is None:
                blocks = draw_places(rng, radii, low, high, self.ego_size, where=self.name)
            goals = given.get("goal_block_positions")
            if goals is None:
                goals = draw_places(rng, radii, low, high, self.ego_size, where=self.name)
            if "goal_block_positions" in given or position_errors(blocks, goals).min() >= self.min_goal_distance:
                break
        else:
            raise EnvError(f"{self.name}.reset", f"no goals {self.min_goal_distance:g} px away", "a smaller min_goal_distance")
        start["block_positions"], start["goal_block_positions"] = blocks, goals
        start.setdefault("block_angles", rng.uniform(-math.pi, math.pi, n))
        if self.use_goal_angles:
            start.setdefault("goal_block_angles", rng.uniform(-math.pi, math.pi, n))
        if "position" not in start:
            taken = [(x, y, float(radius)) for (x, y), radius in zip(np.asarray(blocks).tolist(), radii, strict=True)]
            edge = (self.ego_size, self.ego_size)
            far = (self.grid_size[0] - self.ego_size, self.grid_size[1] - self.ego_size)
            start["position"] = draw_places(rng, [ego_radius], edge, far, 1.0, taken, self.name)[0]
        return start

    def begin(self) -> None:
        """Reads the goals."""
        super().begin()
        angles = self.start["goal_block_angles"].tolist() if self.use_goal_angles else []
        sizes = self.start["block_sizes"].tolist()
        # What looks the same after a half or a quarter turn.
        periods = [math.pi / 2 if width == height else math.pi for width, height in sizes]
        self._goal_angles = list(zip(angles, periods, strict=False))

    def is_solved(self, state: State) -> bool:
        """Whether every block has reached its goal."""
        return super().is_solved(state) and all(turn <= self.angle_tolerance for turn in self._turns(state))

    def distance_left(self, state: State) -> float:
        """Returns the mean way from the blocks to their goals; where they are to be turned, an eighth of a turn counts as `block_size`."""
        turns = sum(self._turns(state)) / (math.pi / 4)
        return (sum(self.ways_left(state)) + self.block_size * turns) / self.num_blocks

    def draw_goals(self, view: BlockView, canvas: Canvas) -> None:
        """Draws the outline of each block at its goal, or a ring where its angle does not matter."""
        for i, (position, size) in enumerate(zip(self.start["goal_block_positions"], self.start["block_sizes"], strict=True)):
            colour = BLOCKS[i % len(BLOCKS)]
            if self.use_goal_angles:
                angle = float(self.start["goal_block_angles"][i])
                view.draw_goal_pose(canvas, [box_polygon(*size)], position, angle, colour)
            else:
                view.draw_goal_point(canvas, position, self.tolerance, colour)

    def _turns(self, state: State) -> list[float]:
        return [
            abs(wrap(angle - goal, symmetry))
            for angle, (goal, symmetry) in zip(state.block_angles, self._goal_angles, strict=False)
        ]
