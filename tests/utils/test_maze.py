from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muse.utils.maze import EAST, NORTH, Maze

mazes = st.builds(
    lambda x, y, seed: Maze.draw(x, y, np.random.default_rng(seed)), st.integers(1, 7), st.integers(1, 7), st.integers(0, 999)
)


@given(mazes)
def test_one_way_leads_from_any_cell_to_any_other(maze):
    maze.check()
    num_x, num_y = maze.cells.shape
    # A tree: one passage fewer than cells, and all of them connected.
    passages = sum(not maze.cells[x, y] & EAST for x in range(num_x - 1) for y in range(num_y))
    passages += sum(not maze.cells[x, y] & NORTH for x in range(num_x) for y in range(num_y - 1))
    assert passages == num_x * num_y - 1
    for cell in np.ndindex(num_x, num_y):
        path = maze.find_path((0, 0), cell)
        assert path[0] == (0, 0) and path[-1] == cell and len(set(path)) == len(path)
        assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1 for a, b in pairwise(path))


@given(mazes)
def test_walls_are_those_of_the_cells(maze):
    again = Maze.make_empty(*maze.cells.shape)
    for (x0, y0), (x1, y1) in maze.find_walls():
        for x in range(x0, x1):
            again.set_wall((x, y0 - 1), NORTH, True)
        for y in range(y0, y1):
            again.set_wall((x0 - 1, y), EAST, True)
    np.testing.assert_array_equal(again.cells, maze.cells)


def test_the_shortest_way_in_the_open_and_none_through_walls():
    maze = Maze.make_empty(4, 3)
    assert len(maze.find_path((0, 0), (3, 2))) == 6
    for y in range(3):
        maze.set_wall((1, y), EAST, True)
    assert maze.find_path((0, 0), (3, 2)) == [] and maze.find_walls() == [((2, 0), (2, 3))]


@pytest.mark.parametrize("cells", [np.zeros((2, 2)), np.full((1, 1), 16), np.zeros(3)])
def test_what_is_no_maze(cells):
    with pytest.raises(ValueError):
        Maze(cells).check()
