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
#: A rounding of what is told is no excess.
_SLACK = 1.001


class Motion:
    """Where the arm is told to be, kept as joint positions, and how fast that moves.

    Every call of `toward_pose`, `toward_joints` and `brake` moves it by one tick. After each, whatever was asked for: joints are
    within their limits, the tip inside its box (or nearer to it than before), and no speed is above its limit's `SHARE`.

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

    def toward_pose(self, position: np.ndarray, rotation: np.ndarray) -> None:
        """Moves towards a pose of the tip, `(3,)` [m] and `(3, 3)`, the place along a straight line."""
        limits, dt = self._limits, self._dt
        turn = turn_between(self.rotation, rotation)
        v = _steer(position - self.position, self.twist[:3], SHARE * limits.speed, limits.acceleration, dt)
        w = _steer(turn, self.twist[3:], SHARE * limits.turn_speed, limits.turn_acceleration, dt)
        place = np.clip(self.position + dt * v, *self._box())
        joints = self._chain.solve(self.joints, place, _turned(dt * w) @ self.rotation, self._posture, _STEPS, 1e-10)
        self._go(joints)

    def toward_joints(self, joints: np.ndarray) -> None:
        """Moves towards joint positions `(7,)` [rad], all joints alike."""
        limits, dt = self._limits, self._dt
        rest = np.clip(joints, limits.joints_low, limits.joints_high) - self.joints
        # Lengths are those of the joint that has farthest to go: a norm of seven joints would be slower than any.
        scale = max(float(np.linalg.norm(rest) / max(np.abs(rest).max(), 1e-12)), 1.0)
        velocity = _steer(rest, self.joint_velocity, scale * SHARE * limits.joint_speed, scale * limits.joint_acceleration, dt)
        following = self.joints + dt * velocity
        place, rotation = self._chain.pose(following)
        inside = np.clip(place, *self._box())
        if not np.array_equal(place, inside):
            following = self._chain.solve(following, inside, rotation, following, _STEPS, 1e-10)
        self._go(following)

    def brake(self) -> bool:
        """Slows down; returns whether it rests."""
        limits, dt = self._limits, self._dt
        # The change of speed that the strictest of the limits allows, as a part of the present one.
        speeds = (np.linalg.norm(self.twist[:3]), np.linalg.norm(self.twist[3:]), np.abs(self.joint_velocity).max())
        changes = (limits.acceleration, limits.turn_acceleration, limits.joint_acceleration)
        kept = min(
            max(0.0, 1.0 - dt * change / speed) if speed > 1e-9 else 1.0 for speed, change in zip(speeds, changes, strict=True)
        )
        if max(speeds) < 1e-3:
            kept = 0.0
        self._go(self.joints + dt * kept * self.joint_velocity)
        return not np.any(self.joint_velocity)

    def yield_to(self, measured: np.ndarray, share: float) -> None:
        """Comes back towards where the arm is, `(7,)` [rad], until it is told `share` of the way that it was ahead."""
        self._go(measured + share * (self.joints - measured))

    def copy_state(self) -> tuple[np.ndarray, ...]:
        """Returns what `restore` takes, to undo ticks that the robot did not accept."""
        return self.joints, self.position, self.rotation

    def restore(self, state: tuple[np.ndarray, ...]) -> None:
        """Goes back to an earlier tick, at rest."""
        self.joints, self.position, self.rotation = state
        self.joint_velocity, self.twist = np.zeros(len(self.joints)), np.zeros(6)

    def _box(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the corners within which the tip may be told to be; they reach out to where it is already."""
        limits = self._limits
        return np.minimum(limits.told_low[:3], self.position), np.maximum(limits.told_high[:3], self.position)

    def _go(self, joints: np.ndarray) -> None:
        """Tells joint positions, or as much of the way there as is allowed."""
        limits, dt = self._limits, self._dt
        step = joints - self.joints
        for _ in range(3):
            following = self.joints + step
            place, rotation = self._chain.pose(following)
            twist = np.concatenate([place - self.position, turn_between(self.rotation, rotation)]) / dt
            excess = max(
                np.abs(step).max() / (dt * SHARE * limits.joint_speed),
                np.linalg.norm(twist[:3]) / (SHARE * limits.speed),
                np.linalg.norm(twist[3:]) / (SHARE * limits.turn_speed),
            )
            if excess <= _SLACK:
                break
            step = step / excess
        is_nearer = outside(limits, place) <= outside(limits, self.position) + 1e-9
        within = np.all((following >= limits.joints_low) | (step >= 0)) and np.all(
            (following <= limits.joints_high) | (step <= 0)
        )
        if excess > _SLACK or not is_nearer or not within:
            self.joint_velocity, self.twist = np.zeros(len(step)), np.zeros(6)
            return
        self.joints, self.position, self.rotation = following, place, rotation
        self.joint_velocity, self.twist = step / dt, twist


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
