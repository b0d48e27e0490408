"""The scripted expert of mazes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from muse.policies.pymunk.block_policy import LET_GO, BlockPolicy
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.maze import Maze


class MazeExpert(BlockPolicy):
    """Goes a shortest way through the cells of a maze: along the middle of its ways, and straight to the goal in its cell.

    For `NavigationBlockEnv2D` and `BottleneckNavigationBlockEnv2D`.
    """

    predefined_arguments = BlockPolicy.predefined_arguments + [
        Argument("wall_room", type=float, default=5.0, help="way between ego and the line of a wall from which it goes on", unit="px"),
    ]  # fmt: skip

    wall_room: float
    reads = ("position", "goal_position", "maze")
    env_name = "NavigationBlockEnv2D"

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        self._cell_size = np.asarray(env_spec.leaf("position").high, np.float64) / env_spec.leaf("maze").shape

    def act(self, seen: Mapping[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """See `BlockPolicy.act`."""
        maze, ego, goal = Maze(seen["maze"]), seen["position"], seen["goal_position"]
        cell, last = ((place / self._cell_size).astype(int).clip(0, np.array(maze.cells.shape) - 1) for place in (ego, goal))
        path = maze.find_path((int(cell[0]), int(cell[1])), (int(last[0]), int(last[1])))
        if len(path) < 2:
            return self.gain * (goal - ego), LET_GO
        step = np.array(path[1]) - cell
        axis = int(np.abs(step).argmax())
        velocity = self.gain * ((cell + 0.5) * self._cell_size - ego)
        slack = (self._cell_size[1 - axis] - self.ego_size) / 2 - self.wall_room
        # Into the next cell only from the middle of the way there; until then along both axes to the middle of this one.
        if abs(velocity[1 - axis]) <= self.gain * max(slack, 1.0):
            velocity[axis] = math.copysign(self.speed, step[axis])
        return velocity, LET_GO
