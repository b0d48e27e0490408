"""Driving envs by hand."""

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from needs import needs_pymunk

from muse.envs.env import EnvError, make
from muse.envs.pymunk.push_block_env_2d import PushBlockEnv2D
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.teleop import TeleopInput, towards
from muse.testing import FakeEnv

ways = st.floats(-1e3, 1e3)
START = d(position=np.array([100.0, 200.0]), block_positions=np.array([[300.0, 300.0]]), block_angles=np.zeros(1))
RIGHT = TeleopInput((1.0, -0.5, 0.3, 0.0, 0.0, 1.0), 0.5)


def drive(env, person, steps):
    for _ in range(steps):
        obs, _, _ = env.step(env.get_teleop_action(person))
    return {name: value[0] for name, value in obs.items()}


@given(ways, ways, st.floats(0.1, 10), st.floats(0.1, 10))
def test_a_velocity_points_where_it_leads_and_keeps_its_limit(x, y, gain, speed):
    vx, vy = towards((x, y), gain, speed)
    assert abs(vx) <= speed * (1 + 1e-9) and abs(vy) <= speed * (1 + 1e-9)
    assert vx * y == pytest.approx(vy * x, rel=1e-6, abs=1e-9) and vx * x >= 0 and vy * y >= 0
    if max(abs(x), abs(y)) * gain <= speed:
        assert (vx, vy) == pytest.approx((gain * x, gain * y))


@needs_pymunk
def test_keys_drive_the_ego_at_the_speed_of_the_option():
    env = make(PushBlockEnv2D, d(default_teleop_speed=60.0))
    env.reset(START, seed=0)
    np.testing.assert_allclose(env.get_teleop_action(RIGHT)["action"], [[60, -30, 250]])
    seen = drive(env, RIGHT, 10)
    np.testing.assert_allclose(seen["position"], [160, 170], atol=0.5)
    np.testing.assert_array_equal(env.get_teleop_action(TeleopInput())["action"], [[0, 0, 0]])
    fast = make(PushBlockEnv2D, d(default_teleop_speed=500.0))
    fast.reset(START, seed=0)
    np.testing.assert_allclose(fast.get_teleop_action(RIGHT)["action"], [[100, -50, 250]])


@needs_pymunk
def test_the_ego_comes_to_the_pointer_and_is_seen_there():
    env = make(PushBlockEnv2D)
    env.reset(START, seed=0)
    drive(env, TeleopInput((-1.0,) * 6, pointer=(0.25, 0.75)), 60)
    picture = env.render(400).astype(int)
    rows, columns = np.nonzero(np.abs(picture - (206, 52, 52)).sum(-1) < 30)
    assert (columns.mean(), rows.mean()) == pytest.approx((100, 100), abs=1.5)


def test_a_point_mass_is_driven():
    env = make(PointMassEnv, d(target_speed=0.0, num_steps=1000))
    env.reset(d(ego=np.array([0.5, 0.5]), target=np.array([0.1, 0.9])), seed=0)
    np.testing.assert_allclose(env.get_teleop_action(RIGHT)["action"], [[1, -0.5]])
    ego = drive(env, TeleopInput(pointer=(0.8, 0.2)), 40)["ego"]
    picture = env.render(400).astype(int)
    rows, columns = np.nonzero(np.abs(picture - (37, 99, 178)).sum(-1) < 30)
    assert ego == pytest.approx([0.821, 0.179], abs=1e-3)
    # Its trail is of the same colour: the ego is at its lower right end.
    assert (columns.max(), rows.max()) == pytest.approx((320, 320), abs=8)


@pytest.mark.parametrize(
    "person",
    [
        TeleopInput((0.0, np.inf, 0.0, 0.0, 0.0, 0.0)),
        TeleopInput(grip=np.nan),
        TeleopInput(pointer=(0.5, np.nan)),
        TeleopInput((0.0, 0.0)),
        TeleopInput(pointer=(0.5,)),
    ],
)
def test_what_says_nothing_is_refused(person):
    env = make(PointMassEnv)
    env.reset(seed=0)
    with pytest.raises(EnvError, match="PointMassEnv.get_teleop_action: (not finite|twist)"):
        env.get_teleop_action(person)


def test_beyond_the_limits_counts_as_the_limit():
    env = make(PointMassEnv)
    env.reset(seed=0)
    np.testing.assert_array_equal(env.get_teleop_action(TeleopInput((5.0, -7.0, 0.0, 0.0, 0.0, 0.0)))["action"], [[1, -1]])
    beyond, corner = (env.get_teleop_action(TeleopInput(pointer=place)) for place in ((9.0, -2.0), (1.0, 0.0)))
    np.testing.assert_array_equal(beyond["action"], corner["action"])


def test_before_an_episode_and_without_a_meaning_it_is_refused():
    with pytest.raises(EnvError, match="PointMassEnv.get_teleop_action: no episode is running"):
        make(PointMassEnv).get_teleop_action(TeleopInput())
    with pytest.raises(EnvError, match="FakeEnv.get_teleop_action: no teleop_inputs"):
        make(FakeEnv).get_teleop_action(TeleopInput())
