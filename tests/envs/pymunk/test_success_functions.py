import math

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st

from muse.envs.pymunk.success_functions import angle_errors, pname_to_success, position_errors

angles = st.floats(-20, 20)


@given(angles, angles, st.sampled_from([math.pi / 2, math.pi, 2 * math.pi]))
def test_a_turn_is_the_smallest_that_looks_right(angle, goal, symmetry):
    turn = float(angle_errors(angle, goal, symmetry))
    assert 0 <= turn <= symmetry / 2 + 1e-9
    rest = min(abs(angle - goal - turn - k * symmetry) for k in range(-60, 61))
    other = min(abs(angle - goal + turn - k * symmetry) for k in range(-60, 61))
    assert min(rest, other) < 1e-9


def test_ways():
    np.testing.assert_allclose(position_errors([[0, 0], [3, 4]], [[0, 0], [0, 0]]), [0, 5])


def test_measures_of_episodes():
    positions = np.array([[0, 0], [30, 0], [60, 0], [0, 0], [0, 45]], float)[:, None]
    seen = d(block_positions=positions, block_angles=np.zeros((5, 1)))
    goal = d(block_positions=np.array([[[45.0, 0.0]], [[0.0, 0.0]]]), block_angles=np.full((2, 1), math.pi / 12))
    push = pname_to_success["push_left"](seen, [2, 4], goal)
    np.testing.assert_allclose(push["initial"], [0.75 * 3 + 0.25, 0.25])
    np.testing.assert_allclose(push["best"], [1.0, 0.25])
    np.testing.assert_allclose(push["final"], [1.0, 0.75 * 3 + 0.25])
    turn = pname_to_success["rotate_left"](seen, [2, 4], goal)
    np.testing.assert_allclose(turn["final"], [1.0, 1.5])
    assert len(pname_to_success) == 10


@pytest.mark.parametrize("name", pname_to_success)
def test_where_it_should_be_is_no_error(name):
    seen = d(block_positions=np.ones((1, 2, 2)), block_angles=np.full((1, 2), 3.0))
    goal = d(block_positions=np.ones((1, 2, 2)), block_angles=np.full((1, 2), 3.0 - 2 * math.pi))
    assert pname_to_success[name](seen, [0], goal)["final"][0] == pytest.approx(0, abs=1e-9)
