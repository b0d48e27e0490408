"""Euler angles, against scipy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from muse.utils.rotations import matrix_from_euler, quaternion_from_euler


@given(st.tuples(*[st.floats(-7, 7)] * 3))
def test_euler_angles_are_about_axes_that_stay(euler):
    expected = Rotation.from_euler("xyz", euler)
    np.testing.assert_allclose(matrix_from_euler(euler), expected.as_matrix(), atol=1e-12)
    assert (Rotation.from_quat(quaternion_from_euler(euler)).inv() * expected).magnitude() < 1e-6
