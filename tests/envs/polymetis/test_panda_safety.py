"""What may be asked for and what may be told: properties, of any numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from muse.envs.polymetis.arm import HOMES, make_chain, pose_of, rotation_of
from muse.envs.polymetis.motion import Motion
from muse.envs.polymetis.safety import (
    SHARE,
    Limits,
    admit_change,
    admit_joint_change,
    admit_joints,
    admit_pose,
    check_limits,
    describe,
    exceeded,
    outside,
    shorten,
)

LIMITS = Limits(np.array([0.27, -0.31, 0.02]), np.array([0.71, 0.31, 0.51]))
CHAIN, DT = make_chain(), 0.025
wild = st.one_of(st.floats(-2, 2), st.floats(-1e6, 1e6))


def arrays_of(*shape):
    return arrays(np.float64, shape, elements=wild)


parts = arrays(np.float64, (5, 6), elements=st.floats(0, 1))


@given(arrays_of(5, 6), parts)
def test_a_pose_that_may_be_told_is_inside_and_near(pose, part):
    present = LIMITS.told_low + part * (LIMITS.told_high - LIMITS.told_low)
    present[:, 3:5] = shorten(present[:, 3:5], LIMITS.tilt)
    told, found = admit_pose(LIMITS, pose, present)
    assert np.all(told[:, :3] >= LIMITS.told_low[:3] - 1e-9) and np.all(told[:, :3] <= LIMITS.told_high[:3] + 1e-9)
    assert np.all(np.linalg.norm(told[:, :3] - present[:, :3], axis=-1) <= LIMITS.step + 1e-9)
    assert np.all(np.abs(told[:, 5]) <= LIMITS.yaw + 1e-9)
    for row in told:
        assert np.arccos(np.clip(-rotation_of(row)[2, 2], -1, 1)) <= LIMITS.tilt + 1e-6
    changed = np.abs(told - pose).max(-1) > 1e-4
    assert np.all((found["step"] | found["workspace"] | found["orientation"])[changed]), "what is changed is counted"
    again, none = admit_pose(LIMITS, told, present)
    np.testing.assert_allclose(again, told, atol=1e-9)
    assert describe(none) == []


@given(arrays_of(4, 6), st.floats(0.01, 0.2))
def test_a_change_keeps_to_speeds_and_its_direction(change, dt):
    told, found = admit_change(LIMITS, change, dt)
    assert np.all(np.linalg.norm(told[:, :3], axis=-1) <= dt * SHARE * LIMITS.speed * (1 + 1e-9))
    assert np.all(np.linalg.norm(told[:, 3:], axis=-1) <= dt * SHARE * LIMITS.turn_speed * (1 + 1e-9))
    assert np.all(np.einsum("ij,ij->i", told[:, :3], change[:, :3]) >= 0)
    slow = np.linalg.norm(change[:, :3], axis=-1) <= dt * SHARE * LIMITS.speed
    np.testing.assert_allclose(told[slow, :3], change[slow, :3])
    assert not found["speed"][slow].any()


@given(arrays_of(3, 7), arrays(np.float64, (3, 7), elements=st.floats(-3, 3)), st.floats(0.01, 0.2))
def test_joints_that_may_be_told_are_within_their_ranges(joints, present, dt):
    told, found = admit_joints(LIMITS, joints, present)
    assert np.all(told >= LIMITS.joints_low) and np.all(told <= LIMITS.joints_high)
    assert np.all((found["step"] | found["joint_limits"])[np.abs(told - joints).max(-1) > 1e-4])
    change, _ = admit_joint_change(LIMITS, joints, dt)
    assert np.all(np.abs(change) <= dt * SHARE * LIMITS.joint_speed)


def test_what_exceeds_a_limit_is_told_by_how_much():
    over = exceeded(
        LIMITS, np.array([[0.72, 0, 0.2], [0.5, 0, 0.2]]), np.array([[0.6, 0, 0, 0, 0, 0], [0.1, 0, 0, 0, 2.5, 0]]),
        np.array([np.zeros(7), np.full(7, -2.1)]), np.array([[30.0, 30.0, 0], [0, 0, 39]]),
    )  # fmt: skip
    np.testing.assert_allclose(over["workspace"], [0.01, -0.18])
    np.testing.assert_allclose(over["speed"], [0.05, -0.45])
    np.testing.assert_allclose(over["turn_speed"], [-2, 0.5])
    np.testing.assert_allclose(over["joint_speed"], [-2, 0.1])
    np.testing.assert_allclose(over["force"], [np.hypot(30, 30) - 40, -1])


def places(joints):
    return outside(LIMITS, *CHAIN.pose(joints), CHAIN.places(joints))


class Watch:
    """Sees that a `Motion` keeps every limit in every tick."""

    def __init__(self, joints=HOMES["default"]):
        self.motion = Motion(CHAIN, LIMITS, np.array(HOMES["default"]), DT)
        self.motion.begin(np.array(joints))
        self.most_acceleration = 0.0

    def tick(self, move):
        motion = self.motion
        before, speed, was_outside = motion.joints.copy(), motion.joint_velocity.copy(), places(motion.joints)
        pose, twist = CHAIN.pose(before), motion.twist.copy()
        move(motion)
        velocity = (motion.joints - before) / DT
        assert np.abs(velocity).max() <= SHARE * LIMITS.joint_speed * 1.001
        place = CHAIN.pose(motion.joints)[0]
        assert np.linalg.norm(place - pose[0]) <= DT * SHARE * LIMITS.speed * 1.05
        assert np.all(motion.joints >= LIMITS.joints_low - 1e-6) and np.all(motion.joints <= LIMITS.joints_high + 1e-6)
        assert np.all(places(motion.joints) <= was_outside + 1e-5), "no farther outside than before"
        if not motion.is_held and np.any(velocity):
            assert np.linalg.norm(motion.twist[:3] - twist[:3]) <= DT * LIMITS.acceleration * 1.3 + 0.01
            assert np.abs(velocity - speed).max() <= DT * LIMITS.joint_acceleration * 1.001


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_is_aimed_at_what_is_told_keeps_all_limits(seed):
    rng, watch = np.random.default_rng(seed), Watch()
    for _ in range(12):
        kind = rng.integers(4)
        pose = admit_pose(LIMITS, rng.normal(size=6), pose_of(watch.motion.position, watch.motion.rotation))[0]
        joints = rng.uniform(-4, 4, 7)
        for _ in range(rng.integers(1, 25)):
            if kind == 0:
                watch.tick(lambda motion, pose=pose: motion.toward_pose(pose[:3], rotation_of(pose)))
            elif kind == 1:
                watch.tick(lambda motion, joints=joints: motion.toward_joints(joints))
            elif kind == 2:
                watch.tick(lambda motion: motion.brake())
            else:
                wild_pose = rng.uniform(-2, 2, 6)
                watch.tick(lambda motion, pose=wild_pose: motion.toward_pose(pose[:3], rotation_of(pose)))


def test_a_pose_is_reached_along_a_line_and_held():
    watch = Watch()
    goal = np.array([0.6, 0.2, 0.1, 0.0, 0.3, 0.8])
    begin = watch.motion.position.copy()
    for _ in range(100):
        watch.tick(lambda motion: motion.toward_pose(goal[:3], rotation_of(goal)))
        way = goal[:3] - begin
        along = (watch.motion.position - begin) @ way / (way @ way)
        assert np.linalg.norm(watch.motion.position - begin - along * way) < 0.01 and -1e-6 < along < 1.01
    np.testing.assert_allclose(pose_of(watch.motion.position, watch.motion.rotation), goal, atol=1e-4)
    assert np.linalg.norm(watch.motion.twist) < 1e-3


def test_joints_are_reached_together():
    watch, goal = Watch(), np.array(HOMES["lower"])
    for _ in range(100):
        watch.tick(lambda motion: motion.toward_joints(goal))
    np.testing.assert_allclose(watch.motion.joints, goal, atol=1e-4)


def test_an_arm_that_begins_outside_may_come_in_and_not_go_farther_out():
    high = CHAIN.solve(
        np.array(HOMES["default"]), np.array([0.45, 0.0, 0.6]), rotation_of(np.zeros(6)), np.array(HOMES["default"]), 100
    )
    watch = Watch(high)
    assert places(high)[0] == pytest.approx(0.12, abs=1e-3)
    watch.tick(lambda motion: motion.toward_pose(np.array([0.45, 0.0, 0.9]), rotation_of(np.zeros(6))))
    assert watch.motion.position[2] <= 0.6 + 1e-5
    for _ in range(150):
        watch.tick(lambda motion: motion.toward_joints(np.array(HOMES["default"])))
    np.testing.assert_allclose(watch.motion.joints, HOMES["default"], atol=1e-3)


def test_a_target_that_is_no_number_leads_nowhere():
    motion = Motion(CHAIN, LIMITS, np.array(HOMES["default"]), DT)
    before = motion.joints.copy()
    for _ in range(3):
        motion.toward_joints(np.full(7, np.nan))
        motion.toward_pose(np.full(3, np.nan), motion.rotation)
        np.testing.assert_array_equal(motion.joints, before)
        assert motion.is_held


def test_giving_way_shortens_the_lead():
    watch, goal = Watch(), np.array([0.6, 0.0, 0.2, 0, 0, 0])
    measured = watch.motion.joints.copy()
    for _ in range(12):
        watch.motion.toward_pose(goal[:3], rotation_of(goal))
    lead = np.linalg.norm(watch.motion.joints - measured)
    for _ in range(5):
        watch.motion.yield_to(measured, 0.5)
    assert np.linalg.norm(watch.motion.joints - measured) < 0.5 * lead


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"low": np.array([0.28, -0.3, -np.inf])}, "safenet"),
        ({"low": np.zeros(2)}, "safenet"),
        ({"high": np.array([0.29, 0.3, 0.5])}, "safenet"),
        ({"speed": 0.0}, "max_speed"),
        ({"force": np.inf}, "max_force"),
        ({"joint_speed": 3.0}, "max_joint_speed"),
    ],
)
def test_limits_that_are_none_are_told(change, option):
    values = {"low": LIMITS.low, "high": LIMITS.high, **change}
    assert option in check_limits(Limits(**values)) and check_limits(LIMITS) == {}
