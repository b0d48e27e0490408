import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from needs import needs_pybullet
from scipy.spatial.transform import Rotation

from muse.utils.rotations import (
    euler_from_matrix,
    euler_from_quaternion,
    matrix_from_euler,
    matrix_from_quaternion,
    quaternion_from_euler,
    turn_between,
)

angles = st.floats(-math.pi, math.pi)
eulers = st.tuples(angles, st.floats(-1.57, 1.57), angles)


@given(st.tuples(*[st.floats(-7, 7)] * 3))
def test_euler_angles_are_about_axes_that_stay(euler):
    expected = Rotation.from_euler("xyz", euler)
    np.testing.assert_allclose(matrix_from_euler(euler), expected.as_matrix(), atol=1e-12)
    assert (Rotation.from_quat(quaternion_from_euler(euler)).inv() * expected).magnitude() < 1e-6


@given(eulers)
def test_forms_of_a_rotation_say_the_same(euler):
    matrix = matrix_from_euler(euler)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix_from_quaternion(quaternion_from_euler(euler)), matrix, atol=1e-12)
    np.testing.assert_allclose(matrix_from_euler(euler_from_matrix(matrix)), matrix, atol=1e-6)
    np.testing.assert_allclose(matrix_from_euler(euler_from_quaternion(quaternion_from_euler(euler))), matrix, atol=1e-6)


@given(eulers, eulers)
def test_a_turn_leads_from_one_to_the_other(euler, other):
    first, second = matrix_from_euler(euler), matrix_from_euler(other)
    vector = turn_between(first, second)
    angle = np.linalg.norm(vector)
    assert angle <= math.pi + 1e-9
    x, y, z = vector / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    np.testing.assert_allclose(turn @ first, second, atol=1e-6)


def test_turns_of_nothing_and_of_a_half():
    assert turn_between(np.eye(3), np.eye(3)).tolist() == [0, 0, 0]
    assert np.abs(turn_between(np.eye(3), np.diag([-1.0, 1, -1]))) == pytest.approx([0, math.pi, 0])


@needs_pybullet
@given(eulers)
def test_quaternions_are_those_of_pybullet(euler):
    import pybullet

    ours, theirs = np.array(quaternion_from_euler(euler)), np.array(pybullet.getQuaternionFromEuler(euler))
    np.testing.assert_allclose(ours * np.sign(ours @ theirs), theirs, atol=1e-6)
