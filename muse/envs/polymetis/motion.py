"""What the arm is told from tick to tick on its way to a target: no faster, and no more suddenly, than it may."""

from __future__ import annotations

import math

import numpy as np

from muse.envs.bullet_envs.kinematics import Chain
from muse.envs.polymetis.safety import SHARE, Limits, outside
from muse.utils.rotations import turn_between

#: Steps of the solver in a tick; the next tick goes on from where it came to.
_STEPS = 3
#: Part of the acceleration with which it brakes before a target, so that it does not shoot past.
_BRAKE = 0.7
#: What is no farther outside [m, rad].
_SAME = 1e-6


class Motion:
    """Where the arm is told to be, kept as joint positions, and how fast that moves.

    Every call of `toward_pose`, `toward_joints` and `brake` moves it by one tick. After each, whatever was asked for: joints are
    within their limits, the tip inside its box and its tilt (or nearer to them than before), and no speed is above its limit's `SHARE`.

    Args:
        chain: Of the arm's joints, to the tip.
        limits: How it may move.
        posture: Joint positions `(7,)` to stay close to where a pose leaves a choice [rad].
        dt: Time between ticks [s].
    """

    def __init__(self, chain: Chain, limits: Limits, posture: np.ndarray, dt: float) -> None:
        self._chain, self._limits, self._posture, self._dt = chain, limits, np.asarray(posture, np.float64), dt
        self.begin(self._posture)

    def begin(self, joints: np.ndarray) -> None:
        """Begins at rest, at joint positions `(7,)` [rad]."""
        self.joints = np.array(joints, np.float64)
        self.position, self.rotation = self._chain.pose(self.joints)
        self.joint_velocity = np.zeros(len(self.joints))
        self.twist = np.zeros(6)
        self._jacobian = self._chain.jacobian(self.joints)
        self._outside = outside(self._limits, self.position, self.rotation, self._chain.places(self.joints))
        #: Whether nothing that it might have been told in the last tick was allowed, and it stayed where it was.
        self.is_held = False

    def toward_pose(self, position: np.ndarray, rotation: np.ndarray) -> None:
        """Moves towards a pose of the tip, `(3,)` [m] and `(3, 3)`, the place along a straight line."""
        limits, dt = self._limits, self._dt
        turn = turn_between(self.rotation, rotation)
        v = _steer(position - self.position, self.twist[:3], SHARE * limits.speed, limits.acceleration, dt)
        w = _steer(turn, self.twist[3:], SHARE * limits.turn_speed, limits.turn_acceleration, dt)
        place = np.clip(self.position + dt * v, *self._next_box())
        joints = self._chain.solve(self.joints, place, _turned(dt * w) @ self.rotation, self._posture, _STEPS, 1e-10)
        self._go((joints - self.joints) / dt)

    def toward_joints(self, joints: np.ndarray) -> None:
        """Moves towards joint positions `(7,)` [rad], all joints alike."""
        limits, dt = self._limits, self._dt
        rest = np.clip(joints, limits.joints_low, limits.joints_high) - self.joints
        # Lengths are those of the joint that has farthest to go: a norm of seven joints would be slower than any.
        scale = max(float(np.linalg.norm(rest) / max(np.abs(rest).max(), 1e-12)), 1.0)
        speed, acceleration = scale * SHARE * limits.joint_speed, scale * limits.joint_acceleration
        following = self.joints + dt * _steer(rest, self.joint_velocity, speed, acceleration, dt)
        place, rotation = self._chain.pose(following)
        inside = np.clip(place, *self._next_box())
        if not np.array_equal(place, inside):
            following = self._chain.solve(following, inside, rotation, following, _STEPS, 1e-10)
        self._go((following - self.joints) / dt)

    def brake(self) -> bool:
        """Slows down; returns whether it rests."""
        self._go(np.zeros(len(self.joints)))
        return not np.any(self.joint_velocity)

    def yield_to(self, measured: np.ndarray, share: float) -> None:
        """Comes back towards where the arm is, `(7,)` [rad], until it is told `share` of the way that it was ahead.

        That is done as fast as speeds allow, however suddenly: something is in the way.
        """
        wanted = (measured + share * (self.joints - measured) - self.joints) / self._dt
        self._accept(self._slowed(wanted))

    def _next_box(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the corners within which the tip may be told to be next, near enough to stop before those of its box.

        A tip outside of its box may stay where it is.
        """
        limits, dt = self._limits, self._dt

        def reach(left: np.ndarray) -> np.ndarray:
            left = np.maximum(left, 0.0)
            return np.minimum(left, dt * np.sqrt(2 * _BRAKE * limits.acceleration * left))

        return self.position - reach(self.position - limits.told_low[:3]), self.position + reach(
            limits.told_high[:3] - self.position
        )

    def _go(self, wanted: np.ndarray) -> None:
        """Moves at joint speeds `(7,)` [rad/s], or as near to them as limits of speed and acceleration allow; at worst not at all."""
        limits, dt = self._limits, self._dt
        slowed = self._slowed(wanted)
        for aim in (slowed, np.zeros(len(wanted))):
            change = aim - self.joint_velocity
            turn = self._jacobian @ change
            excess = max(
                np.abs(change).max() / (dt * limits.joint_acceleration),
                np.linalg.norm(turn[:3]) / (dt * limits.acceleration),
                np.linalg.norm(turn[3:]) / (dt * limits.turn_acceleration),
                1.0,
            )
            if self._accept(self._slowed(self.joint_velocity + change / excess)):
                self.is_held = aim is not slowed
                return
        self.is_held = True
        self.joint_velocity, self.twist = np.zeros(len(wanted)), np.zeros(6)

    def _slowed(self, velocity: np.ndarray) -> np.ndarray:
        """Returns joint speeds `(7,)` in the same proportions that pass no limit of speed."""
        limits, twist = self._limits, self._jacobian @ velocity
        excess = max(
            np.abs(velocity).max() / (SHARE * limits.joint_speed),
            np.linalg.norm(twist[:3]) / (SHARE * limits.speed),
            np.linalg.norm(twist[3:]) / (SHARE * limits.turn_speed),
        )
        return velocity / max(excess, 1.0)

    def _accept(self, velocity: np.ndarray) -> bool:
        """Moves by a tick at joint speeds `(7,)` [rad/s] where that leads nowhere forbidden; returns whether it does."""
        limits, dt = self._limits, self._dt
        joints = self.joints + dt * velocity
        place, rotation = self._chain.pose(joints)
        after = outside(limits, place, rotation, self._chain.places(joints))
        beyond = (joints < limits.joints_low - 1e-9) & (velocity < 0) | (joints > limits.joints_high + 1e-9) & (velocity > 0)
        # Asked in this way, a number that is none leads nowhere.
        if beyond.any() or not np.all(after <= self._outside + _SAME):
            return False
        twist = np.concatenate([place - self.position, turn_between(self.rotation, rotation)]) / dt
        self.joints, self.position, self.rotation, self._outside = joints, place, rotation, after
        self.joint_velocity, self.twist, self._jacobian = velocity, twist, self._chain.jacobian(joints)
        return True


def _steer(rest: np.ndarray, velocity: np.ndarray, speed: float, acceleration: float, dt: float) -> np.ndarray:
    """Returns the velocity of the next tick of something that has `rest` to go, both `(n,)`."""
    distance = math.sqrt(rest @ rest)
    fastest = min(speed, math.sqrt(2 * _BRAKE * acceleration * distance), distance / dt)
    wanted = rest * (fastest / max(distance, 1e-12))
    change = wanted - velocity
    size = math.sqrt(change @ change)
    return velocity + change * min(1.0, dt * acceleration / max(size, 1e-12))


def _turned(vector: np.ndarray) -> np.ndarray:
    """Returns the matrix `(3, 3)` of a rotation vector `(3,)` [rad]."""
    angle = math.sqrt(vector @ vector)
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)
