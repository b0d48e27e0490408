import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muse.utils.polygons import area_of, clipped, overlap_area, placed, radius_of_gyration, tee_outline, tee_polygons

sides = st.floats(20, 120)
poses = st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.floats(-7, 7))


def is_in_tee(points, width, height, x, y, angle):
    """Says it of points by turning them back into the T's frame, where bar and stem are upright boxes."""
    cos, sin = math.cos(angle), math.sin(angle)
    seen = (points - [x, y]) @ np.array([[cos, -sin], [sin, cos]])
    middle = height * (4 * 7 / 8 + 3 * 3 / 8) / 7  # bar and stem have 4 and 3 sevenths of the area
    from_below = seen[:, 1] + middle
    bar = (np.abs(seen[:, 0]) <= width / 2) & (from_below >= 0.75 * height) & (from_below <= height)
    return bar | ((np.abs(seen[:, 0]) <= width / 8) & (from_below >= 0) & (from_below <= 0.75 * height))


@given(sides, sides)
def test_a_tee_hangs_on_its_centre_of_mass(width, height):
    parts = tee_polygons(width, height)
    areas = [area_of(part) for part in parts]
    assert areas == pytest.approx([width * height / 4, 3 * width * height / 16])
    np.testing.assert_allclose(sum(area * part.mean(axis=0) for area, part in zip(areas, parts, strict=True)), 0, atol=1e-6)
    outline = tee_outline(width, height)
    assert area_of(outline) == pytest.approx(sum(areas))
    np.testing.assert_allclose(np.ptp(outline, axis=0), [width, height])


def test_the_radius_of_gyration_of_a_box_is_known():
    box = [(-3.0, -2.0), (3.0, -2.0), (3.0, 2.0), (-3.0, 2.0)]
    assert radius_of_gyration([box]) == pytest.approx(math.sqrt((36 + 16) / 12))
    grid = (np.stack(np.meshgrid(np.arange(960), np.arange(960)), -1).reshape(-1, 2) + 0.5) / 10 - [48, 63.43]
    inside = grid[is_in_tee(grid, 96, 96, 0, 0, 0)]
    assert radius_of_gyration(tee_polygons(96, 96)) == pytest.approx(math.sqrt((inside**2).sum(axis=1).mean()), rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(sides, poses, poses)
def test_what_two_tees_share_is_what_a_fine_grid_says(width, pose, other):
    height = 96.0
    shapes = [[placed(part, (x, y), angle) for part in tee_polygons(width, height)] for x, y, angle in (pose, other)]
    step = 1.0
    axis = np.arange(-260, 260, step) + step / 2
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    counted = (is_in_tee(grid, width, height, *pose) & is_in_tee(grid, width, height, *other)).sum() * step**2
    shared = overlap_area(*shapes)
    # A grid is wrong by some part of a cell along each edge.
    assert shared == pytest.approx(counted, abs=90)
    assert shared == pytest.approx(overlap_area(*reversed(shapes)), abs=1e-6)
    assert -1e-9 <= shared <= 7 / 16 * width * height + 1e-6


@given(sides, poses, st.tuples(st.floats(-3, 3), st.floats(-3, 3)))
def test_a_small_shift_takes_what_the_edges_sweep(width, pose, shift):
    """Both Ts upright: what is shared is known in closed form, box by box."""
    parts = tee_polygons(width, 96.0)
    moved = [placed(part, shift, 0.0) for part in parts]

    def box_overlap(a, b):
        low, high = np.maximum(a.min(axis=0), np.min(b, axis=0)), np.minimum(a.max(axis=0), np.max(b, axis=0))
        return float(np.prod(np.maximum(high - low, 0)))

    expected = sum(box_overlap(a, b) for a in parts for b in moved)
    assert overlap_area(parts, moved) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    x, y, angle = pose
    turned = [[placed(part, (x, y), angle) for part in shape] for shape in (parts, moved)]
    assert overlap_area(*turned) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_a_polygon_beside_a_window_is_not_seen():
    square = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    assert area_of(clipped(square, placed(square, (3.0, 0.0), 0.0))) == 0
    assert area_of(clipped(square, placed(square, (0.5, 0.5), 0.0))) == pytest.approx(0.25)
    assert area_of(clipped(square, square)) == pytest.approx(1)
    assert area_of(square[::-1]) == -1
