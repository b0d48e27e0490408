import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from muse.utils.angles import wrap


@given(st.floats(-100, 100), st.sampled_from([2 * math.pi, math.pi, math.pi / 2]))
def test_it_is_the_same_turn_within_half_a_period(angle, period):
    found = wrap(angle, period)
    assert -period / 2 <= found <= period / 2
    turns = (angle - found) / period
    assert abs(turns - round(turns)) < 1e-9


def test_arrays_and_their_own_periods():
    np.testing.assert_allclose(wrap(np.array([4.0, 4.0, -4.0])), [4 - 2 * math.pi, 4 - 2 * math.pi, 2 * math.pi - 4])
    np.testing.assert_allclose(wrap(np.array([3.0, 3.0]), np.array([math.pi, math.pi / 2])), [3 - math.pi, 3 - math.pi])
    assert wrap(math.pi) == -math.pi
