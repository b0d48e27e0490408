import math

import numpy as np
import pytest
from needs import needs_pybullet

from muse.envs.bullet_envs.bodies import MAX_PARTS, Link, Part, Surface, add_body, outline, ring
from muse.envs.bullet_envs.bullet import Bullet
from muse.envs.env import EnvError

GREEN = (0.0, 1.0, 0.0, 1.0)


@pytest.fixture
def bullet():
    server = Bullet("a test")
    server.setGravity(0, 0, -9.81)
    server.setTimeStep(1 / 240)
    yield server
    server.close()
    server.close()


@needs_pybullet
def test_two_servers_share_nothing(bullet):
    other = Bullet("a test")
    add_body(bullet, [Part((1, 1, 1))], (0, 0, 0))
    assert (bullet.getNumBodies(), other.getNumBodies()) == (1, 0)
    with pytest.raises(AttributeError, match="flyToTheMoon"):
        other.flyToTheMoon()


@needs_pybullet
def test_a_body_is_as_large_as_its_parts(bullet):
    parts = [
        Part((0.2, 0.4, 0.6)),
        Part((0.1, 0.1, 0.3), (0.5, 0, 0), (0, math.pi / 2, 0), kind="cylinder"),
        Part((9, 9, 9), is_solid=False),
    ]
    body = add_body(bullet, parts, (1, 2, 3), (0, 0, math.pi / 2), mass=2.0)
    low, high = np.array(bullet.getAABB(body)) - [1, 2, 3]
    np.testing.assert_allclose([low, high], [[-0.2, -0.1, -0.3], [0.2, 0.65, 0.3]], atol=0.01)
    assert bullet.getDynamicsInfo(body, -1)[0] == 2.0 and len(bullet.getVisualShapeData(body)) == 3


@needs_pybullet
def test_a_body_that_is_not_drawn_has_nothing_to_draw(bullet):
    assert not bullet.getVisualShapeData(add_body(bullet, [Part((1, 1, 1))], (0, 0, 0), is_drawn=False))[1:]


@needs_pybullet
def test_a_drawer_slides_between_its_limits_and_a_brake_holds_it(bullet):
    ends = []
    for brake in (0.0, 20.0):
        link = Link([Part((0.2, 0.2, 0.1))], (0, 0, 0.3), (1, 0, 0), (0.0, 0.15), brake=brake)
        desk = add_body(bullet, [Part((0.5, 0.5, 0.1))], (0, 0, 0), links=[link])
        for _ in range(240):
            bullet.applyExternalForce(desk, 0, (5, 0, 0), (0, 0, 0), bullet.LINK_FRAME)
            bullet.stepSimulation()
        ends.append(bullet.getJointState(desk, 0)[0])
        bullet.removeBody(desk)
    assert ends == pytest.approx([0.15, 0.0], abs=0.01)


@needs_pybullet
def test_friction_holds_on_a_slope(bullet):
    slope = add_body(bullet, [Part((2, 2, 0.1))], (0, 0, 0), (0, 0.3, 0), surface=Surface(1.0))
    normal = np.array([math.sin(0.3), 0, math.cos(0.3)])
    blocks = [
        add_body(bullet, [Part((0.1, 0.1, 0.1))], normal * 0.101 + [0, y, 0], (0, 0.3, 0), 0.1, Surface(friction))
        for y, friction in ((-0.3, 0.1), (0.3, 1.0))
    ]
    for _ in range(120):
        bullet.stepSimulation()
    ways = [
        np.linalg.norm(np.array(bullet.getBasePositionAndOrientation(body)[0])[[0, 2]] - normal[[0, 2]] * 0.101)
        for body in blocks
    ]
    assert slope == 0 and ways[0] > 0.1 and ways[1] < 0.01


@needs_pybullet
def test_too_many_parts(bullet):
    with pytest.raises(EnvError, match=f"17 parts; expected up to {MAX_PARTS}"):
        add_body(bullet, [Part((1, 1, 1))] * (MAX_PARTS + 1), (0, 0, 0))


def test_outlines_follow_the_edges():
    edges = outline([Part((0.2, 0.4, 0.6), (1, 0, 0), (0, 0, math.pi / 2))], GREEN, 0.01)
    assert len(edges) == 12 and not any(edge.is_solid for edge in edges)
    corners = np.array([edge.position for edge in edges])
    np.testing.assert_allclose([corners.min(0), corners.max(0)], [[0.8, -0.1, -0.3], [1.2, 0.1, 0.3]], atol=1e-9)
    rims = np.array([piece.position for piece in outline([Part((0.2, 0.2, 0.5), kind="cylinder")], GREEN)])
    np.testing.assert_allclose(np.hypot(rims[:, 0], rims[:, 1]), 0.1)
    assert set(rims[:, 2].round(6)) == {-0.25, 0.25}
    assert {piece.euler[2] for piece in ring(0.1, GREEN, count=8)} == {math.pi * i / 4 for i in range(8)}
