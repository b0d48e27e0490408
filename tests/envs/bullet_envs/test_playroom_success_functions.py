import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muse.envs.bullet_envs.block3d.playroom_success_functions import are_inside, is_opened, is_pressed_alone, ways_into

BOX = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
places = st.tuples(*[st.integers(-500, 500).map(lambda number: number / 100)] * 3)


@pytest.mark.parametrize(("opening", "goal", "expected"), [(0.96, 1, True), (0.94, 1, False), (0.04, 0, True), (0.06, 0, False)])
def test_openings(opening, goal, expected):
    assert is_opened(opening, goal) is expected


def test_one_button_and_no_other():
    goal = np.array([0.0, 1.0, 0.0])
    pressed = [np.array(case, np.float64) for case in ([0, 1, 0], [0, 0, 0], [1, 1, 0], [1, 0, 0])]
    assert [is_pressed_alone(case, goal) for case in pressed] == [True, False, False, False]


@given(st.lists(places, min_size=1, max_size=4).map(np.array))
def test_no_way_is_left_inside(positions):
    ways, inside = ways_into(positions, BOX), are_inside(positions, BOX)
    assert ((ways == 0) == inside).all()
    # No place of the box is nearer than that.
    assert (ways <= np.linalg.norm(positions - BOX.mean(axis=0), axis=-1) + 1e-9).all()
