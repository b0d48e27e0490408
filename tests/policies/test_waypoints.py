"""Waypoints and legs, with a made-up arm that no simulator moves."""

from typing import NamedTuple

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from muse.policies.legs import Leg, LegPolicy
from muse.policies.waypoints import (
    Waypoint,
    multiply,
    orientation_of,
    pointing_down,
    reachable_turn,
    rotated,
    turn_to,
    yaw_of,
    yaw_of_hand,
)
from muse.specs import EnvSpec
from muse.testing import check_policy
from muse.utils.angles import wrap

angles = st.floats(-7, 7)
directions = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)


def unit(q):
    return np.array(q) / np.linalg.norm(q)


@given(directions, directions)
def test_a_turn_leads_from_one_orientation_to_another(a, b):
    a, b = unit(a), unit(b)
    turn = turn_to(a, b)
    assert np.linalg.norm(turn) <= np.pi + 1e-6
    assert ((Rotation.from_rotvec(turn) * Rotation.from_quat(a)).inv() * Rotation.from_quat(b)).magnitude() < 1e-5


@given(directions, directions, st.tuples(*[st.floats(-1, 1)] * 3))
def test_products_and_rotated_vectors_are_those_of_scipy(a, b, vector):
    a, b = unit(a), unit(b)
    product = Rotation.from_quat(a) * Rotation.from_quat(b)
    assert (Rotation.from_quat(multiply(a, b)).inv() * product).magnitude() < 1e-6
    np.testing.assert_allclose(rotated(a, np.array(vector)), Rotation.from_quat(a).apply(vector), atol=1e-9)


@given(angles, angles)
def test_yaws(yaw, reference):
    assert abs(wrap(yaw_of_hand(pointing_down(yaw)) - yaw, 2 * np.pi)) < 1e-9
    assert abs(wrap(yaw_of(Rotation.from_euler("z", yaw).as_quat()) - yaw, 2 * np.pi)) < 1e-9
    # A hand that points down is one turned about x by half a turn, and then about the vertical.
    expected = Rotation.from_euler("z", yaw) * Rotation.from_quat(pointing_down(0.0))
    assert (expected.inv() * Rotation.from_quat(pointing_down(yaw))).magnitude() < 1e-6
    now = wrap(reference, np.pi)
    turn = reachable_turn(yaw, np.pi, now)
    assert abs(turn) <= np.pi / 2 + 0.35 + 1e-9 and abs(wrap(turn - yaw, np.pi)) < 1e-9
    # A hand that turns there goes on to the same turn.
    assert reachable_turn(yaw, np.pi, now + 0.3 * (turn - now)) == pytest.approx(turn)


@given(angles, st.floats(0, np.pi / 2))
def test_a_tilted_hand_points_sideways_and_opens_as_before(yaw, tilt):
    hand = Rotation.from_quat(orientation_of(Waypoint(np.zeros(3), yaw, 0.0, tilt=tilt)))
    expected = [np.cos(yaw) * np.sin(tilt), np.sin(yaw) * np.sin(tilt), -np.cos(tilt)]
    np.testing.assert_allclose(hand.apply([0, 0, 1]), expected, atol=1e-9)
    np.testing.assert_allclose(hand.apply([0, 1, 0]), Rotation.from_quat(pointing_down(yaw)).apply([0, 1, 0]), atol=1e-9)


SPEC = EnvSpec(
    d(
        names_shapes_limits_dtypes=[
            ("hand", (3,), (-1, 1), np.float32), ("quat", (4,), (-1, 1), np.float32), ("thing", (3,), (-1, 1), np.float32),
            ("action", (7,), (-1, 1), np.float32),
        ],
        observation_names=["hand", "quat", "thing"], action_names=["action"],
    )
)  # fmt: skip


class Seen(NamedTuple):
    hand: np.ndarray
    hand_quat: np.ndarray
    thing: np.ndarray


class Grasp(LegPolicy):
    """Goes over a thing, down to it, closes, and lifts it."""

    reads = ("hand", "quat", "thing")
    metres, radians = 0.02, 0.2

    def see(self, values):
        return Seen(values["hand"], unit(values["quat"] + [0, 0, 0, 1e-9]), values["thing"])

    def to_action(self, seen, motion, gripper):
        return np.append(motion, gripper)

    def get_legs(self):
        def above(height, gripper):
            return lambda seen, progress: Waypoint(seen.thing + [0, 0, height], 0.5, gripper)

        def from_begin(height):
            return lambda seen, progress: Waypoint(progress.since.hand + [0, 0, height], 0.5, 1.0)

        def is_held(seen):
            return np.linalg.norm(seen.thing - seen.hand) < 0.03

        return [
            Leg(above(0.1, -1.0)), Leg(above(0.0, -1.0)), Leg(from_begin(0.0), least=4, is_delicate=True),
            Leg(from_begin(0.1), keeps=is_held),
        ]  # fmt: skip


class World:
    """A hand that goes as far as its action says, and a thing that follows closed fingers."""

    def __init__(self):
        self.hand, self.turn = np.array([0.1, -0.2, 0.3]), Rotation.from_quat(pointing_down(-0.4))
        self.thing, self.closed = np.array([-0.2, 0.1, 0.0]), 0

    def see(self):
        values = {"hand": self.hand, "quat": self.turn.as_quat(), "thing": self.thing}
        return d({name: value[None, None].astype(np.float32) for name, value in values.items()})

    def step(self, action):
        self.closed = self.closed + 1 if action[6] > 0 else 0
        before = self.hand
        self.hand = self.hand + 0.02 * action[:3]
        self.turn = Rotation.from_rotvec(0.2 * action[3:6]) * self.turn
        if self.closed > 3 and np.linalg.norm(self.thing - before) < 0.03:
            self.thing = self.thing + self.hand - before


def play(policy, steps, disturb=lambda world, t: None, world=None):
    """Plays until the policy ends the episode; returns the world, the phases and the actions."""
    world, phases, actions = world or World(), [], []
    policy.reset_policy(np.ones(1, dtype=bool), [3])
    for t in range(steps):
        disturb(world, t)
        actions.append(policy.get_action(None, world.see(), d())["action"][0])
        phases.append(policy.progress[0].phase)
        world.step(actions[-1])
        if policy.is_terminated(None, world.see(), d())[0]:
            break
    return world, phases, np.array(actions)


def test_a_skill_goes_through_its_legs_and_ends():
    world, phases, actions = play(Grasp(d(ends_when_done=True), SPEC), 200)
    assert world.thing[2] > 0.08 and len(phases) < 100
    assert list(dict.fromkeys(phases)) == [0, 1, 2, 3] == sorted(set(phases))
    assert phases.count(2) > 4
    assert np.abs(actions[:, :6]).max() <= 1


def test_a_skill_without_end_begins_anew():
    _, phases, _ = play(Grasp(d(), SPEC), 120)
    assert len(phases) == 120 and 0 in phases[phases.index(3) :]


def test_a_thing_that_is_lost_is_grasped_again():
    def take_away(world, t):
        if world.thing[2] > 0.03 and not lost:
            lost.append(t)
            world.thing = np.array([0.2, 0.2, 0.0])

    lost = []
    world, phases, _ = play(Grasp(d(ends_when_done=True), SPEC), 200, take_away)
    assert phases[lost[0]] == 0 and phases[-1] == 3 and world.thing[2] > 0.08


def test_noise_and_slips_are_recovered_from_and_spare_what_is_delicate():
    shaken = Grasp(d(action_noise_std=0.2, slip_probability=0.1, slip_size=1.0, ends_when_done=True), SPEC)
    world, phases, actions = play(shaken, 400)
    assert world.thing[2] > 0.08
    quiet = Grasp(d(ends_when_done=True), SPEC)
    assert len(phases) > len(play(quiet, 400)[1])
    # The fingers close where the hand is almost still, whatever shakes it elsewhere.
    assert np.abs(actions[np.array(phases) == 2][1:, :6]).max() < 0.5 < np.abs(actions[:, :6]).max()


@pytest.mark.parametrize(("moves_on", "expected"), [(False, [0, *[1] * 6, 0, *[1] * 6]), (True, [0, *[1] * 6, 2, 0, *[1] * 5])])
def test_a_leg_that_is_not_reached_is_given_up_or_gone_on_from(moves_on, expected):
    class Stuck(Grasp):
        def get_legs(self):
            far = Waypoint(np.array([9.0, 0.0, 0.0]), 0.0, 0.0)
            here = Leg(lambda seen, progress: Waypoint(seen.hand, 0.0, 0.0), turn_within=9.0)
            return [here, Leg(lambda seen, progress: far, most=5, moves_on=moves_on), here]

    assert play(Stuck(d(), SPEC), 14)[1] == expected


@given(st.floats(0.05, 1.0))
def test_no_motion_is_faster_than_its_waypoint_says(speed):
    class Slow(Grasp):
        def get_legs(self):
            return [Leg(lambda seen, progress: Waypoint(np.array([0.5, 0.5, 0.5]), 2.0, 0.0, speed))]

    _, _, actions = play(Slow(d(), SPEC), 5)
    assert np.abs(actions[:, :6]).max() == pytest.approx(speed, abs=1e-5)


def test_it_keeps_the_contract_of_policies():
    check_policy(Grasp, None, SPEC, params=d(action_noise_std=0.1, slip_probability=0.3, ends_when_done=True))
