"""What actions of the four spaces mean: where the tip, or the joints, are to go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from muse.envs.bullet_envs.kinematics import Chain
from muse.envs.bullet_envs.robot_spec import JOINT_LIMITS
from muse.envs.checks import read_presets
from muse.envs.env import EnvError
from muse.envs.polymetis.arm import JOINTS, pose_of, rotation_of
from muse.envs.polymetis.safety import (
    SHARE,
    Limits,
    admit_change,
    admit_joint_change,
    admit_joints,
    admit_place,
    admit_pose,
    describe,
    outside,
)


class Targets:
    """Turns actions, without the gripper, into targets: poses of the tip `(6,)`, or joint positions `(7,)`.

    Args:
        chain: Of the arm's joints, to the tip.
        limits: Within which targets are.
        space: The action space.
        pivot: Part of the way from where the arm is to where it was last told to go, from which a change is counted.
        dt: Of a step [s].
        posture: Joint positions `(7,)` to stay close to where there is a choice [rad].
    """

    def __init__(self, chain: Chain, limits: Limits, space: str, pivot: float, dt: float, posture: np.ndarray) -> None:
        self.is_pose, self.is_delta = space.startswith("ee"), space.endswith("delta")
        self._chain, self._limits, self._pivot, self._dt, self._posture = chain, limits, pivot, dt, posture

    def admit(self, value: np.ndarray, present: np.ndarray, told: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Returns the target that an action means, within the limits, and what it violated.

        Args:
            value: The action, `(6,)` or `(7,)`.
            present: Where the arm is, as a target would say it.
            told: The last target.
        """
        limits, found = self._limits, {}
        if self.is_delta:
            value, found = (admit_change if self.is_pose else admit_joint_change)(limits, value, self._dt)
            value = present + self._pivot * (told - present) + value
        target, more = (admit_pose if self.is_pose else admit_joints)(limits, value, present)
        kinds = describe({**found, **more})
        if not self.is_pose:
            inside, beyond = admit_place(limits, pose_of(*self._chain.pose(target)))
            if more_kinds := describe(beyond):
                target = self._chain.solve(target, inside[:3], rotation_of(inside), target, 20, 1e-10)
                kinds += more_kinds
        return target, kinds

    def drive(self, twist: np.ndarray, told: np.ndarray) -> np.ndarray:
        """Returns the action that moves the tip from the last target at parts `(6,)` of the speeds that it may be told."""
        limits, dt = self._limits, self._dt
        change, _ = admit_change(limits, twist * dt * SHARE * np.repeat([limits.speed, limits.turn_speed], 3), dt)
        if self.is_pose:
            return change if self.is_delta else told + change
        pose = pose_of(*self._chain.pose(told)) + change
        joints = self._chain.solve(told, pose[:3], rotation_of(pose), self._posture, 20, 1e-10)
        return joints - told if self.is_delta else joints


def check_start(joints: np.ndarray, limits: Limits, chain: Chain, where: str) -> np.ndarray:
    """Returns joint positions to begin from `(7,)` [rad].

    Raises:
        EnvError: Where the arm must not be told to be there.
    """
    if joints.shape != (JOINTS,) or not np.isfinite(joints).all():
        raise EnvError(where, f"{joints.tolist()}", "seven finite joint positions [rad]")
    if np.any(joints < limits.joints_low) or np.any(joints > limits.joints_high):
        ranges = f"within {JOINT_LIMITS[0]} and {JOINT_LIMITS[1]}, by a margin of {limits.margin:g}"
        raise EnvError(where, f"{joints.tolist()}", ranges)
    place, rotation = chain.pose(joints)
    if outside(limits, place, rotation, chain.places(joints)).max() > 1e-6:
        box = f"from {limits.told_low[:3].tolist()} to {limits.told_high[:3].tolist()}"
        expected = f"an elbow above the table, a hand that points down, and a tip within the box {box}"
        raise EnvError(where, f"a tip at {np.round(place, 3).tolist()}", expected, "the option safenet")
    return joints


def read_start(presets: Mapping[str, Any] | None, limits: Limits, chain: Chain, where: str) -> tuple[np.ndarray, float] | None:
    """Returns joint positions to begin from `(7,)` [rad] and the width of the fingers [m], None where no preset says so.

    Raises:
        EnvError: For an unknown preset, or one that is no place to begin from.
    """
    given = read_presets(presets, ["joint_positions"], where)
    if "joint_positions" not in given:
        return None
    where = f"{where}: 'joint_positions'"
    joints = np.array(given["joint_positions"], np.float64)
    if joints.shape != (JOINTS + 2,):
        raise EnvError(where, f"shape {joints.shape}", f"shape {(JOINTS + 2,)}")
    if not np.isfinite(joints).all():
        raise EnvError(where, f"not finite: {joints.tolist()}", "finite numbers")
    return check_start(joints[:JOINTS], limits, chain, where), max(0.0, float(joints[JOINTS:].sum()))
