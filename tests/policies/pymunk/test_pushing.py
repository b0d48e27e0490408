"""What the expert of the T thinks that ways and pushes are, beside what they are."""

import math

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import needs_pymunk

from muse.envs.env import make
from muse.envs.pymunk.push_t_env_2d import PushTEnv2D
from muse.policies.pymunk.polygon_ways import PolygonWays, grown_polygon
from muse.policies.pymunk.pushing import Places, find_places, push
from muse.utils.polygons import placed, radius_of_gyration, tee_outline, tee_polygons

angles = st.floats(-math.pi, math.pi)
spots = st.tuples(st.floats(5, 195), st.floats(5, 195)).map(np.array)
LOW, HIGH = np.zeros(2), np.full(2, 200.0)
RADIUS = radius_of_gyration(tee_polygons(96, 96))


def tee_at(x, y, angle):
    return [np.array(placed(part, (x, y), angle)) for part in tee_polygons(60, 60)]


def depth_in(point, polygon):
    """Returns how far inside a convex polygon a point is; negative outside."""
    sides = np.roll(polygon, -1, axis=0) - polygon
    normals = np.stack([sides[:, 1], -sides[:, 0]], axis=1) / np.linalg.norm(sides, axis=1, keepdims=True)
    return -((point - polygon) * normals).sum(axis=1).max()


@settings(max_examples=30, deadline=None)
@given(st.floats(10, 60), st.floats(10, 60), angles, st.floats(2, 30))
def test_a_grown_polygon_is_where_a_square_touches(width, height, angle, half):
    polygon = np.array(placed([(-width, -height), (width, -height), (width, height), (-width, height)], (3.0, -5.0), angle))
    grown = grown_polygon(polygon, half)
    assert len(grown) == 8
    # Of a sum of convex shapes, the reach in each direction is the sum of theirs.
    for turn in np.linspace(0, 2 * np.pi, 17):
        way = np.array([math.cos(turn), math.sin(turn)])
        assert (grown @ way).max() == pytest.approx((polygon @ way).max() + half * np.abs(way).sum())
    assert depth_in(polygon.mean(axis=0), grown) > 0


@settings(max_examples=40, deadline=None)
@given(spots, spots, st.floats(60, 140), st.floats(60, 140), angles)
def test_ways_lead_round_a_tee(start, goal, x, y, angle):
    polygons = [grown_polygon(part, 6.0) for part in tee_at(x, y, angle)]
    if any(depth_in(place, polygon) > -0.1 for place in (start, goal) for polygon in polygons):
        return
    ways, place, walked, left = PolygonWays(polygons, LOW, HIGH), start, 0.0, []
    for _ in range(12):
        (length,), (after,) = ways.find(place, goal[None])
        if not left and not np.isfinite(length):
            return  # The T is between a wall and the goal.
        left.append(length + walked)
        between = place + np.linspace(0, 1, 40)[:, None] * (after - place)
        assert max(depth_in(point, polygon) for point in between for polygon in polygons) < 0.51
        walked += float(np.linalg.norm(after - place))
        place = after
        if np.array_equal(place, goal):
            break
    assert np.array_equal(place, goal)
    # What was said to be left is what was walked.
    np.testing.assert_allclose(left, walked, atol=0.6)
    assert walked >= np.linalg.norm(goal - start) - 1e-6


@settings(max_examples=40, deadline=None)
@given(spots, spots, st.floats(60, 140), st.floats(60, 140), angles)
def test_no_way_is_shorter(start, goal, x, y, angle):
    """Beside the cells of a grid, whose steps to all cells within two make ways at most 3% too long."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    polygons = [grown_polygon(part, 6.0) for part in tee_at(x, y, angle)]
    if any(depth_in(place, polygon) > -4.0 for place in (start, goal) for polygon in polygons):
        return
    (length,), _ = PolygonWays(polygons, LOW, HIGH).find(start, goal[None])
    size, cells = 2.5, 80
    places = (np.stack(np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij"), -1).reshape(-1, 2) + 0.5) * size
    free = ~PolygonWays(polygons, LOW, HIGH).is_inside(places)
    grid = np.arange(cells * cells).reshape(cells, cells)
    begins, ends, lengths = [], [], []
    for dx, dy in [(1, 0), (0, 1), (1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1)]:
        a = grid[: cells - dx, max(0, -dy) : cells - max(0, dy)].ravel()
        b = grid[dx:, max(0, dy) : cells + min(0, dy)].ravel()
        both = free[a] & free[b]
        begins.append(a[both]), ends.append(b[both]), lengths.append(np.full(both.sum(), size * math.hypot(dx, dy)))
    graph = coo_matrix(
        (np.concatenate(lengths), (np.concatenate(begins), np.concatenate(ends))), shape=(cells * cells,) * 2
    ).tocsr()
    from_cell, to_cell = (grid[tuple((place / size).astype(int))] for place in (start, goal))
    found = dijkstra(graph, directed=False, indices=from_cell)[to_cell]
    if np.isfinite(found) and np.isfinite(length):
        assert length <= found + 4 * size
        assert found <= 1.1 * length + 6 * size


def test_a_start_inside_goes_out_by_the_nearest_side():
    box = np.array([[40.0, 40.0], [60.0, 40.0], [60.0, 60.0], [40.0, 60.0]])
    lengths, places = PolygonWays([box], LOW, HIGH).find(np.array([58.0, 50.0]), np.array([[0.0, 50.0], [100.0, 50.0]]))
    np.testing.assert_allclose(places, [[61, 50], [61, 50]])
    assert lengths[1] == pytest.approx(42) and lengths[0] > 3 + 58


@settings(max_examples=30, deadline=None)
@given(angles, st.floats(-60, 60))
def test_places_touch_and_push_inwards(angle, aside):
    outline = np.array(placed(tee_outline(96, 96), (0.0, 0.0), angle))
    places = find_places(np.array([aside, 200.0]), 20.0, outline, 6.5)
    assert np.isinf(places.gaps).all() and len(places.boxes) > 40
    for box, contact, force in zip(places.boxes, places.contacts, places.forces, strict=True):
        # The contact is on the box's outline, and the box is behind it.
        assert np.abs(contact - box).max() == pytest.approx(10, abs=0.3)
        assert (contact - box) @ force == pytest.approx(10 * np.abs(force).sum(), abs=0.3)
    assert np.linalg.norm(places.contacts, axis=1).max() < 65


@needs_pymunk
@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0, 3.0])
def test_a_push_does_what_is_thought(angle):
    """Every tenth place of a T, pushed by some px in pymunk."""
    env = make(PushTEnv2D, d(horizon=1000, max_velocity=1000.0))
    outline = np.array(placed(tee_outline(96, 96), (0.0, 0.0), angle))
    places = find_places(np.array([500.0, 500.0]), 20.0, outline, 6.5)
    outer = [k for k in range(0, len(places.boxes), 5) if np.linalg.norm(places.boxes[k]) > 45]
    assert len(outer) > 3
    for k in outer:
        place = Places(*(column[k : k + 1] for column in places))
        begin = 200.0 + place.boxes[0] - 0.5 * place.forces[0]
        start = {"position": begin, "block_positions": np.full((1, 2), 200.0), "block_angles": np.array([angle])}
        far = {"goal_block_positions": np.full((1, 2), 100.0), "goal_block_angles": np.zeros(1)}
        env.reset(d(start | far), seed=0)
        for _ in range(5):
            env.step(d(action=np.array([[*(9 * place.forces[0]), 0.0]], np.float32)))
        (moved,), (turned,) = push(place, RADIUS, np.array([4.0]))
        seen = np.array(env._state.block_positions[0]) - 200.0
        np.testing.assert_allclose(seen, moved[0], atol=0.45)
        assert env._state.block_angles[0] - angle == pytest.approx(turned[0], abs=0.02)
