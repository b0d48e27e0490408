"""What the arm may be asked for, and what it may do: pure functions of arrays.

Two sets of bounds. *Limits* are what the arm itself is held to: one that is passed, as measured, stops it. What it is *told* keeps
within a part of these, so that an arm that overshoots a little passes none. An action outside what may be told is clipped, or refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from muse.envs.bullet_envs.robot_spec import JOINT_LIMITS

#: Part of a speed limit up to which the arm is told to go, and of the force limit from which on it gives way.
SHARE = 0.75
#: Rounding of float32 actions is no violation.
_ROUNDING = 1e-5
#: Kinds of violations of an action, in the order in which they are looked for.
ACTION_KINDS = ("not_finite", "step", "speed", "turn_speed", "joint_speed", "workspace", "orientation", "joint_limits", "gripper")
#: An action `(..., n)` as it may be told, and for each kind where it was violated `(...)` bool.
Admitted = tuple[np.ndarray, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Limits:
    """What the arm is held to.

    Args:
        low, high: Corners of the box in which the tip stays `(3,)`, frame of the base [m].
        margin: How far inside that box it is told to stay [m].
        clearance: How high above the floor of that box elbow and wrist are told to stay [m].
        tilt: Largest angle between the hand and straight down [rad].
        yaw: Largest turn of the hand about z, either way [rad].
        speed, turn_speed: Of the tip [m/s], [rad/s].
        joint_speed: Of each joint [rad/s].
        acceleration, turn_acceleration, joint_acceleration: With which it is told to change these [m/s^2], [rad/s^2].
        step, turn_step, joint_step: How far from where it is an action may tell it to go [m], [rad], [rad].
        force: On the tip from outside [N].
    """

    low: np.ndarray
    high: np.ndarray
    margin: float = 0.03
    clearance: float = 0.15
    tilt: float = 0.5
    yaw: float = 1.6
    speed: float = 0.55
    turn_speed: float = 2.0
    joint_speed: float = 2.0
    acceleration: float = 2.0
    turn_acceleration: float = 8.0
    joint_acceleration: float = 8.0
    step: float = 0.3
    turn_step: float = 1.0
    joint_step: float = 1.0
    force: float = 40.0

    @property
    def told_low(self) -> np.ndarray:
        """Lowest pose `(6,)` that may be told: place [m], then Euler angles of the turn from straight down [rad]."""
        return np.array([*(self.low + self.margin), -self.tilt, -self.tilt, -self.yaw])

    @property
    def told_high(self) -> np.ndarray:
        """Highest pose `(6,)` that may be told."""
        return np.array([*(self.high - self.margin), self.tilt, self.tilt, self.yaw])

    @property
    def joints_low(self) -> np.ndarray:
        """Lowest joint positions `(7,)` that may be told [rad]."""
        return np.array(JOINT_LIMITS[0]) + self.margin

    @property
    def joints_high(self) -> np.ndarray:
        """Highest joint positions `(7,)` that may be told [rad]."""
        return np.array(JOINT_LIMITS[1]) - self.margin


def admit_place(limits: Limits, pose: np.ndarray) -> Admitted:
    """Returns poses `(..., 6)` within the box and the tilt, turned about z as they are."""
    inside = np.array(pose)
    inside[..., :3] = np.clip(pose[..., :3], limits.told_low[:3], limits.told_high[:3])
    # The angle of two turns together is at most the length of the two.
    inside[..., 3:5] = shorten(pose[..., 3:5], limits.tilt)
    return inside, {"workspace": _differ(inside[..., :3], pose[..., :3]), "orientation": _differ(inside[..., 3:], pose[..., 3:])}


def admit_pose(limits: Limits, pose: np.ndarray, present: np.ndarray) -> Admitted:
    """Returns poses `(..., 6)` as they may be told, where the tip is at `present` `(..., 6)`."""
    way = pose - present
    short = np.concatenate([shorten(way[..., :3], limits.step), shorten(way[..., 3:], limits.turn_step)], -1)
    near, found = present + short, {"step": _differ(short, way)}
    inside, more = admit_place(limits, near)
    inside[..., 5] = np.clip(near[..., 5], -limits.yaw, limits.yaw)
    more["orientation"] = more["orientation"] | _differ(inside[..., 5:], near[..., 5:])
    found.update(more)
    return inside, found


def admit_change(limits: Limits, change: np.ndarray, dt: float) -> Admitted:
    """Returns changes of a pose `(..., 6)` in `dt` [s] as they may be told."""
    place = shorten(change[..., :3], dt * SHARE * limits.speed)
    turn = shorten(change[..., 3:], dt * SHARE * limits.turn_speed)
    found = {"speed": _differ(place, change[..., :3]), "turn_speed": _differ(turn, change[..., 3:])}
    return np.concatenate([place, turn], -1), found


def admit_joints(limits: Limits, joints: np.ndarray, present: np.ndarray) -> Admitted:
    """Returns joint positions `(..., 7)` as they may be told, where joints are at `present` `(..., 7)`."""
    near = present + np.clip(joints - present, -limits.joint_step, limits.joint_step)
    inside = np.clip(near, limits.joints_low, limits.joints_high)
    return inside, {"step": _differ(near, joints), "joint_limits": _differ(inside, near)}


def admit_joint_change(limits: Limits, change: np.ndarray, dt: float) -> Admitted:
    """Returns changes of joint positions `(..., 7)` in `dt` [s] as they may be told."""
    most = dt * SHARE * limits.joint_speed
    slow = np.clip(change, -most, most)
    return slow, {"joint_speed": _differ(slow, change)}


def exceeded(
    limits: Limits,
    position: np.ndarray,
    twist: np.ndarray,
    joint_velocities: np.ndarray,
    force: np.ndarray,
) -> dict[str, np.ndarray]:
    """Returns by how much measured values pass their limits, 0 and less where they do not; `(...)` each, in the limit's unit.

    Args:
        position: Of the tip `(..., 3)` [m].
        twist: Of the tip, `(..., 6)` [m/s, rad/s].
        joint_velocities: `(..., 7)` [rad/s].
        force: On the tip from outside `(..., 3)` [N].
    """
    return {
        "workspace": np.maximum(limits.low - position, position - limits.high).max(-1),
        "speed": np.linalg.norm(twist[..., :3], axis=-1) - limits.speed,
        "turn_speed": np.linalg.norm(twist[..., 3:], axis=-1) - limits.turn_speed,
        "joint_speed": np.abs(joint_velocities).max(-1) - limits.joint_speed,
        "force": np.linalg.norm(force, axis=-1) - limits.force,
    }


def outside(limits: Limits, position: np.ndarray, rotation: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Returns how far an arm is outside of where it may be told to be, `(..., 3)`.

    That is how far the tip is out of its box [m] and beyond its tilt [rad], and elbow and wrist are below their clearance [m].

    Args:
        position: Of the tip `(..., 3)` [m].
        rotation: Of the tip `(..., 3, 3)`.
        places: Of the joints `(..., 7, 3)` [m].
    """
    beyond = np.maximum(limits.told_low[:3] - position, position - limits.told_high[:3])
    tilt = np.arccos(np.clip(-rotation[..., 2, 2], -1.0, 1.0)) - limits.tilt
    low = limits.low[2] + limits.clearance - places[..., 3:, 2].min(-1)
    return np.stack([np.linalg.norm(np.maximum(beyond, 0.0), axis=-1), np.maximum(tilt, 0.0), np.maximum(low, 0.0)], -1)


def shorten(vector: np.ndarray, longest: float) -> np.ndarray:
    """Returns vectors `(..., n)` of at most a length, in the same direction."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector * np.minimum(1.0, longest / np.maximum(length, 1e-12))


def describe(found: Mapping[str, np.ndarray]) -> list[str]:
    """Returns the kinds that were violated."""
    return [kind for kind in ACTION_KINDS if kind in found and np.any(found[kind])]


def check_limits(limits: Limits) -> dict[str, str]:
    """Returns what is wrong with limits, by the name of the option of `PolymetisPandaEnv`; empty for good ones."""
    wrong = {}
    if limits.low.shape != (3,) or limits.high.shape != (3,) or not np.isfinite([limits.low, limits.high]).all():
        return {"safenet": "two finite corners of three numbers each [m]"}
    for name, least, most in (("margin", 0.0, 0.2), ("clearance", 0.0, 1.0), ("max_tilt", 0.0, 1.5), ("max_yaw", 0.0, 3.1)):
        if not least <= getattr(limits, name.removeprefix("max_")) <= most:
            wrong[name] = f"from {least:g} to {most:g}"
    if not np.all(limits.high - limits.low > 2 * limits.margin):
        wrong["safenet"] = f"a box wider than twice the margin of {limits.margin:g} m"
    for name in (
        "speed", "turn_speed", "joint_speed", "acceleration", "turn_acceleration", "joint_acceleration", "step", "turn_step", "joint_step",
        "force",
    ):  # fmt: skip
        if not 0 < getattr(limits, name) < np.inf:
            wrong[f"max_{name}"] = "more than 0, and finite"
    if limits.joint_speed > 2.175:
        wrong["max_joint_speed"] = "at most 2.175 rad/s, which the Panda's first joints can do"
    return wrong


def _differ(value: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(value - other).max(-1) > _ROUNDING
