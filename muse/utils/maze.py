"""Mazes of square cells: drawn, checked, made into walls, and solved."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

#: Bits of a cell: a wall on its north, west, south or east side.
NORTH, WEST, SOUTH, EAST = 8, 4, 2, 1
#: Side -> step to the neighbour, and the side from which that one sees the same wall.
_SIDES = {NORTH: ((0, 1), SOUTH), WEST: ((-1, 0), EAST), SOUTH: ((0, -1), NORTH), EAST: ((1, 0), WEST)}

Cell = tuple[int, int]


class Maze:
    """A maze of `(X, Y)` cells; cell `[0, 0]` is at the bottom left, the first number goes right, the second up.

    Args:
        cells: `(X, Y)` uint8, the walls of each cell as a sum of `NORTH`, `WEST`, `SOUTH` and `EAST`.
    """

    def __init__(self, cells: np.ndarray) -> None:
        self.cells = np.array(cells, np.uint8)

    def check(self) -> None:
        """Raises `ValueError` for a border that is not whole, or a wall that only one of its two cells knows."""
        if self.cells.ndim != 2 or self.cells.size == 0 or self.cells.max() > 15:
            raise ValueError(f"cells of shape {self.cells.shape}, expected (X, Y) numbers from 0 to 15")
        for cell in np.ndindex(*self.cells.shape):
            for side, ((dx, dy), opposite) in _SIDES.items():
                other = (cell[0] + dx, cell[1] + dy)
                has_wall = bool(self.cells[cell] & side)
                if not self._is_inside(other) and not has_wall:
                    raise ValueError(f"cell {cell} has no wall at the border")
                if self._is_inside(other) and has_wall != bool(self.cells[other] & opposite):
                    raise ValueError(f"cells {cell} and {other} disagree about the wall between them")

    @classmethod
    def make_empty(cls, num_x: int, num_y: int) -> Maze:
        """Returns a maze with walls at its border alone."""
        cells = np.zeros((num_x, num_y), np.uint8)
        cells[:, -1] |= NORTH
        cells[0, :] |= WEST
        cells[:, 0] |= SOUTH
        cells[-1, :] |= EAST
        return cls(cells)

    @classmethod
    def draw(cls, num_x: int, num_y: int, rng: np.random.Generator) -> Maze:
        """Draws a maze by depth-first search: one way, and no more, leads from any cell to any other."""
        maze = cls.make_empty(num_x, num_y)
        maze.cells[:] = NORTH | WEST | SOUTH | EAST
        stack = [(int(rng.integers(num_x)), int(rng.integers(num_y)))]
        seen = {stack[0]}
        while stack:
            ways = [(side, other) for side, other in maze._neighbours(stack[-1]) if other not in seen]
            if not ways:
                stack.pop()
                continue
            side, other = ways[int(rng.integers(len(ways)))]
            maze.set_wall(stack[-1], side, False)
            seen.add(other)
            stack.append(other)
        return maze

    def set_wall(self, cell: Cell, side: int, is_there: bool) -> None:
        """Builds or takes away the wall on one side of a cell, for the neighbour too."""
        (dx, dy), opposite = _SIDES[side]
        for place, bit in ((cell, side), ((cell[0] + dx, cell[1] + dy), opposite)):
            self.cells[place] = self.cells[place] | bit if is_there else self.cells[place] & (15 - bit)

    def find_walls(self) -> list[tuple[Cell, Cell]]:
        """Returns the inner walls as lines between corners `(x, y)` of cells; walls in a row are one line."""
        num_x, num_y = self.cells.shape
        lines = []
        for x in range(1, num_x):
            lines += [((x, a), (x, b)) for a, b in _runs((self.cells[x] & WEST).astype(bool))]
        for y in range(1, num_y):
            lines += [((a, y), (b, y)) for a, b in _runs((self.cells[:, y] & SOUTH).astype(bool))]
        return lines

    def find_path(self, start: Cell, goal: Cell) -> list[Cell]:
        """Returns the cells of a shortest way, both ends included; empty where none leads there."""
        before: dict[Cell, Cell] = {goal: goal}
        queue = deque([goal])
        while queue and start not in before:
            cell = queue.popleft()
            for side, other in self._neighbours(cell):
                if not self.cells[cell] & side and other not in before:
                    before[other] = cell
                    queue.append(other)
        if start not in before:
            return []
        path = [start]
        while path[-1] != goal:
            path.append(before[path[-1]])
        return path

    def _neighbours(self, cell: Cell) -> list[tuple[int, Cell]]:
        sides = [(side, (cell[0] + dx, cell[1] + dy)) for side, ((dx, dy), _) in _SIDES.items()]
        return [(side, other) for side, other in sides if self._is_inside(other)]

    def _is_inside(self, cell: Sequence[int]) -> bool:
        return 0 <= cell[0] < self.cells.shape[0] and 0 <= cell[1] < self.cells.shape[1]


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Returns `(begin, end)` of each run of true elements."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
