import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from muse.envs.simple.motion import CLEARANCE, is_free, move, place_circles, place_point

unit = st.floats(0, 1)
small = st.floats(-0.2, 0.2)
circle = st.tuples(st.floats(0.2, 0.8), st.floats(0.2, 0.8), st.floats(0.02, 0.15))


def distance_to_segment(point, start, end):
    """Independent of `move`: samples the segment finely."""
    weights = np.linspace(0, 1, 400)[:, None]
    samples = np.asarray(start) * (1 - weights) + np.asarray(end) * weights
    return np.linalg.norm(samples - np.asarray(point), axis=1).min()


@settings(max_examples=300, deadline=None)
@given(unit, unit, small, small, st.lists(circle, max_size=4))
def test_a_point_never_enters_a_circle_nor_leaves_the_square(x, y, dx, dy, circles):
    if not is_free(x, y, circles, CLEARANCE):
        return
    for _ in range(3):
        x, y, _ = move(x, y, dx, dy, circles)
        assert 0 <= x <= 1 and 0 <= y <= 1
        assert is_free(x, y, circles, 0.9 * CLEARANCE)


@settings(max_examples=200, deadline=None)
@given(unit, unit, small, small, circle)
def test_motion_in_the_open_is_exact_and_a_blocked_one_is_told(x, y, dx, dy, obstacle):
    if not is_free(x, y, [obstacle], 0.01):
        return
    end = min(1, max(0, x + dx)), min(1, max(0, y + dy))
    new_x, new_y, blocked = move(x, y, dx, dy, [obstacle])
    nearest = distance_to_segment(obstacle[:2], (x, y), end)
    if nearest > obstacle[2] + CLEARANCE + 1e-4:
        assert not blocked
        assert math.isclose(new_x, end[0], abs_tol=1e-12) and math.isclose(new_y, end[1], abs_tol=1e-12)
    if nearest < obstacle[2]:
        assert blocked


def test_a_long_motion_does_not_jump_over_a_thin_circle():
    x, y, blocked = move(0.1, 0.5, 0.8, 0.0, [(0.5, 0.5, 0.02)])
    assert blocked
    assert math.isclose(x, 0.5 - 0.02 - CLEARANCE, abs_tol=1e-9) and y == 0.5


def test_a_slanted_motion_slides_along_the_circle():
    x, y, blocked = move(0.39, 0.52, 0.05, 0.0, [(0.5, 0.5, 0.1)])
    assert blocked
    assert y > 0.52 and x > 0.39


def test_zero_motion_and_coincident_points_are_no_trouble():
    assert move(0.5, 0.5, 0.0, 0.0, [(0.2, 0.2, 0.1)]) == (0.5, 0.5, False)
    assert move(0.3 + CLEARANCE, 0.2, 0.0, 0.0, [(0.2, 0.2, 0.1)])[2] is False


def test_circles_keep_a_gap_and_too_many_give_none():
    rng = np.random.default_rng(0)
    circles = place_circles(rng, [0.05] * 6, (0.25, 0.75), 0.06)
    for i, (x, y, radius) in enumerate(circles):
        for ox, oy, other in circles[:i]:
            assert math.dist((x, y), (ox, oy)) >= radius + other + 0.06
    assert place_circles(rng, [0.3] * 6, (0.25, 0.75), 0.06, tries=3) is None
    assert place_point(rng, [(0.5, 0.5, 0.5)], 0.3, tries=50) is None
