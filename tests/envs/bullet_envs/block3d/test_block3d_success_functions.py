import math

import numpy as np
import pytest

from muse.envs.bullet_envs.block3d.success_functions import climbs, leans, tips, turns, ways


def test_ways_and_climbs():
    positions, goals = np.array([[0.0, 0, 0], [1, 1, 3]]), np.array([[0.0, 3, 4], [1, 1, 1]])
    assert ways(positions, goals).tolist() == [5, 2]
    assert climbs(positions, goals).tolist() == [4, 0]


def test_turns_go_the_short_way():
    eulers = np.array([[0.1, 0, 3.0], [0, 0, -0.5]])
    np.testing.assert_allclose(turns(eulers, np.array([-3.0, 0.5])), [2 * math.pi - 6, 1])


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.5, 2.5, math.pi])
def test_leans(angle):
    assert leans(np.array([[angle, 0, 0.7], [0, min(angle, 1.5), -2]])) == pytest.approx([angle, min(angle, 1.5)])


def test_tips():
    # A quarter turn about y brings the top to where x points, then the yaw turns it.
    quarter = math.pi / 2
    eulers = np.array([[0, quarter, 0.4], [quarter, 0, 0.0], [0, 0, 1.0]])
    directions = np.array([[math.cos(0.4), math.sin(0.4)], [0, -1], [1, 0]])
    assert tips(eulers, directions) == pytest.approx([0, 0, quarter], abs=1e-6)
    assert tips(eulers[:1], -directions[:1]) == pytest.approx([math.pi])
