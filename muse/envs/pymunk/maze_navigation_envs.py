"""Mazes through which the ego is to find its way."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.env import EnvError
from muse.envs.pymunk.block_env_2d import BlockEnv2D
from muse.envs.pymunk.block_options import check_positive
from muse.envs.pymunk.scene import WALL_RADIUS, Line, State
from muse.envs.pymunk.view import BlockView
from muse.envs.simple.canvas import Canvas
from muse.utils.abstract import Argument
from muse.utils.maze import SOUTH, WEST, Cell, Maze

#: Least free way between the ego and the walls of its first cell [px].
_ROOM = 2.0


class MazeEnv2D(BlockEnv2D, ABC):
    """A maze of square cells; the ego is to come within `tolerance` of `goal_position`. A subclass says which maze.

    Observation of the task: `goal_position` `(2,)`, the middle of a cell. Param: `maze` `(X, Y)` uint8, cell `[0, 0]` at the bottom
    left, the walls of each as a sum of 8 (north), 4 (west), 2 (south) and 1 (east).

    The dense reward is minus the way through the cells.
    """

    predefined_arguments = [
        *BlockEnv2D.predefined_arguments,
        Argument("num_maze_cells", type=int, default=5, help="cells along each side"),
        Argument("tolerance", type=float, default=10.0, help="distance at which the goal counts as reached", unit="px"),
    ]
    default_params = AttrDict(num_blocks=0)

    def __init__(self, params: Mapping[str, Any], env_spec: Any) -> None:
        super().__init__(params, env_spec)
        cell = min(self.grid_size) / max(1, self.num_maze_cells)
        if self.num_blocks:
            raise EnvError(f"{self.name}: num_blocks", str(self.num_blocks), "0: there are no blocks in a maze")
        check_positive(self, ("tolerance",), self.name)
        if self.num_maze_cells < 2 or cell < self.ego_size + 2 * (WALL_RADIUS + _ROOM):
            wanted = f"at least 2, and cells of at least {self.ego_size + 2 * (WALL_RADIUS + _ROOM):g} px"
            raise EnvError(f"{self.name}: num_maze_cells", f"{self.num_maze_cells} on {min(self.grid_size):g} px", wanted)

    @classmethod
    def get_task_leaves(cls, params: Mapping[str, Any]) -> tuple[list[tuple], list[tuple]]:
        """See `BlockEnv2D.get_task_leaves`."""
        n = params["num_maze_cells"]
        goal = ("goal_position", (2,), (0.0, params["grid_size"]), np.float32, "px", "to be reached by the ego")
        maze = ("maze", (n, n), (0, 15), np.uint8, "", "walls of each cell: 8 north, 4 west, 2 south, 1 east; [x, y], y up")
        return [goal], [maze]

    @abstractmethod
    def draw_maze(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns `maze`, and what else the task tells of it: given, or drawn from `self.rng`.

        Raises:
            EnvError: For one that is none.
        """

    @abstractmethod
    def draw_cells(self, maze: Maze) -> tuple[Cell, Cell]:
        """Returns the cells of start and goal."""

    def draw_start(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Draws the maze, the cells, and where in its cell the ego is."""
        start = {**given, **self.draw_maze(given)}
        self._maze = Maze(start["maze"])
        first, goal = self.draw_cells(self._maze)
        slack = (self.cell_size - self.ego_size) / 2 - WALL_RADIUS - _ROOM
        start.setdefault("position", self.middle_of(first) + self.rng.uniform(-1, 1, 2) * slack)
        start.setdefault("goal_position", self.middle_of(goal))
        path = self._maze.find_path(self._cell_of(start["position"]), self._cell_of(start["goal_position"]))
        if not path:
            raise EnvError(f"{self.name}.reset: 'maze'", "no way leads to the goal", "a maze with a way")
        return start

    @property
    def cell_size(self) -> np.ndarray:
        """Width and height of a cell `(2,)` [px]."""
        return np.asarray(self.grid_size) / self.num_maze_cells

    def middle_of(self, cell: Cell) -> np.ndarray:
        """Returns the middle of a cell `(2,)` [px]."""
        return (np.asarray(cell) + 0.5) * self.cell_size

    def find_walls(self) -> Sequence[Line]:
        """Returns the inner walls of the maze."""
        self._maze = Maze(self.start["maze"])
        width, height = self.cell_size.tolist()
        return [((a * width, b * height), (c * width, d * height)) for (a, b), (c, d) in self._maze.find_walls()]

    def begin(self) -> None:
        """Reads the goal."""
        self._goal: list[float] = self.start["goal_position"].tolist()

    def is_solved(self, state: State) -> bool:
        """Whether the goal is reached."""
        return math.dist(state.position, self._goal) <= self.tolerance

    def distance_left(self, state: State) -> float:
        """Returns the way to the goal, from the middle of a cell to the middle of the next [px]."""
        path = self._maze.find_path(self._cell_of(state.position), self._cell_of(self._goal))
        places = [state.position, *(tuple(self.middle_of(cell)) for cell in path[1:-1]), self._goal]
        return sum(math.dist(place, after) for place, after in pairwise(places))

    def draw_goals(self, view: BlockView, canvas: Canvas) -> None:
        """Draws the goal."""
        view.draw_goal_point(canvas, self._goal, self.tolerance)

    def _cell_of(self, position: Sequence[float] | np.ndarray) -> Cell:
        x, y = (np.asarray(position) / self.cell_size).astype(int).clip(0, self.num_maze_cells - 1).tolist()
        return x, y


class NavigationBlockEnv2D(MazeEnv2D):
    """A maze that is drawn for each episode, or fixed; start and goal are two of its cells."""

    predefined_arguments = [
        *MazeEnv2D.predefined_arguments,
        Argument("fixed_np_maze", type=list, default=None, help="columns of cells [[8 + 4, ...], ...], from the bottom up; drawn when None"),
        Argument("valid_start_idxs", type=list, default=None, help="cells [[x, y], ...] to begin in; all when None"),
        Argument("valid_goal_idxs", type=list, default=None, help="cells of goals, likewise"),
    ]  # fmt: skip

    def __init__(self, params: Mapping[str, Any], env_spec: Any) -> None:
        super().__init__(params, env_spec)
        n = self.num_maze_cells
        every = [(x, y) for x in range(n) for y in range(n)]
        self._starts, self._goals = (
            every if cells is None else [tuple(cell) for cell in cells] for cells in (self.valid_start_idxs, self.valid_goal_idxs)
        )
        for name, cells in (("valid_start_idxs", self._starts), ("valid_goal_idxs", self._goals)):
            if not cells or any(cell not in every for cell in cells):
                raise EnvError(f"{self.name}: {name}", f"{cells}", f"pairs of numbers from 0 to {n - 1}")
        if len({*self._starts, *self._goals}) < 2:
            raise EnvError(f"{self.name}: valid_goal_idxs", f"{self._goals}", "a goal that is not the start")
        if self.fixed_np_maze is not None:
            self._checked(np.asarray(self.fixed_np_maze), f"{self.name}: fixed_np_maze")

    def draw_maze(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `MazeEnv2D.draw_maze`."""
        if "maze" in given:
            return {"maze": self._checked(given["maze"], f"{self.name}.reset: 'maze'")}
        if self.fixed_np_maze is not None:
            return {"maze": np.array(self.fixed_np_maze, np.uint8)}
        return {"maze": Maze.draw(self.num_maze_cells, self.num_maze_cells, self.rng).cells}

    def draw_cells(self, maze: Maze) -> tuple[Cell, Cell]:
        """Draws two cells, not the same."""
        while True:
            start, goal = (cells[int(self.rng.integers(len(cells)))] for cells in (self._starts, self._goals))
            if start != goal:
                return start, goal

    def _checked(self, cells: np.ndarray, where: str) -> np.ndarray:
        n = self.num_maze_cells
        try:
            if cells.shape != (n, n):
                raise ValueError(f"cells of shape {cells.shape}, expected {(n, n)}")
            Maze(cells).check()
        except (ValueError, OverflowError) as error:
            raise EnvError(where, str(error), "the walls of each cell, as they are drawn by Maze.draw(...).cells") from error
        return cells


class BottleneckNavigationBlockEnv2D(MazeEnv2D):
    """Walls across the world with one gap each, from the top left to the bottom right.

    Observation of the task, besides: `maze_low_dim` `(k + 1,)`, the cell of the gap in each of `k` walls, from the top down or from
    the left to the right, and 1 where the walls are horizontal.
    """

    predefined_arguments = [
        *MazeEnv2D.predefined_arguments,
        Argument("bottleneck_indices", type=list, default=[1, 3, 2], element_type=int, help="cells of the gaps, one for each wall"),
        Argument("horizontal", type=bool, default=True, help="whether the walls are horizontal"),
        Argument("randomize_maze", type=bool, default=True, help="draw gaps and direction for each episode"),
    ]  # fmt: skip
    default_params = MazeEnv2D.default_params & AttrDict(num_maze_cells=8, ego_block_size=24.0, horizon=400)

    def __init__(self, params: Mapping[str, Any], env_spec: Any) -> None:
        super().__init__(params, env_spec)
        gaps, n = self.bottleneck_indices, self.num_maze_cells
        if not 0 < len(gaps) < n or any(not 0 <= gap < n for gap in gaps):
            raise EnvError(f"{self.name}: bottleneck_indices", f"{gaps}", f"up to {n - 1} numbers from 0 to {n - 1}")

    @classmethod
    def get_task_leaves(cls, params: Mapping[str, Any]) -> tuple[list[tuple], list[tuple]]:
        """See `BlockEnv2D.get_task_leaves`."""
        observations, task_params = super().get_task_leaves(params)
        size, most = len(params["bottleneck_indices"]) + 1, params["num_maze_cells"] - 1
        limits = (0.0, [most] * (size - 1) + [1.0])
        low_dim = ("maze_low_dim", (size,), limits, np.float32, "", "cells of the gaps; 1 where walls are horizontal")
        return [*observations, low_dim], task_params

    def draw_maze(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `MazeEnv2D.draw_maze`. A maze alone does not tell its gaps, so `maze_low_dim` is given with it."""
        where = f"{self.name}.reset"
        low_dim = given.get("maze_low_dim")
        if low_dim is None:
            low_dim = np.array([*self.bottleneck_indices, self.horizontal], np.float32)
            if self.randomize_maze:
                low_dim = np.array(
                    [*self.rng.integers(self.num_maze_cells, size=len(low_dim) - 1), self.rng.integers(2)], np.float32
                )
        if (low_dim != np.rint(low_dim)).any():
            raise EnvError(f"{where}: 'maze_low_dim'", f"{low_dim.tolist()}", "whole numbers")
        cells = make_bottlenecks(self.num_maze_cells, low_dim[:-1].astype(int).tolist(), bool(low_dim[-1])).cells
        if "maze" in given and not np.array_equal(given["maze"], cells):
            raise EnvError(f"{where}: 'maze'", "not the one of 'maze_low_dim'", "'maze_low_dim' alone, or both of one episode")
        return {"maze": cells, "maze_low_dim": low_dim}

    def draw_cells(self, maze: Maze) -> tuple[Cell, Cell]:
        """Returns the cells at the top left and at the bottom right."""
        last = self.num_maze_cells - 1
        return (0, last), (last, 0)


def make_bottlenecks(num_cells: int, gaps: Sequence[int], is_horizontal: bool) -> Maze:
    """Returns a square maze with walls across it at equal distances, one for each gap.

    Args:
        num_cells: Along each side, more than there are gaps.
        gaps: Cell at which each wall is open: from the top down, or from the left to the right.
        is_horizontal: Direction of the walls.
    """
    maze = Maze.make_empty(num_cells, num_cells)
    for i, gap in enumerate(gaps):
        line = round((i + 1) * num_cells / (len(gaps) + 1))
        for k in range(num_cells):
            if k != gap and is_horizontal:
                maze.set_wall((k, num_cells - line), SOUTH, True)
            elif k != gap:
                maze.set_wall((line, k), WEST, True)
    return maze
