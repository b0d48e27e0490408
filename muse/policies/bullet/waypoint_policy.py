"""The arm of the worlds of bullet, as `muse.policies.waypoints` moves it."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from muse.policies.legs import LegPolicy
from muse.policies.row_policy import check_reads
from muse.policies.waypoints import multiply
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.angles import wrap

#: Gripper of an action.
OPEN, CLOSE = 0.0, 255.0
#: Gap between the fingers of the open gripper [m].
_WIDTH = 0.08


class Seen(NamedTuple):
    """What an expert sees of one row, world frame.

    Attributes:
        hand: Place between the fingers' ends `(3,)` [m].
        hand_quat: Its quaternion `(4,)` (x, y, z, w).
        gap: Between the fingers [m].
        values: All that the expert reads, by name.
    """

    hand: np.ndarray
    hand_quat: np.ndarray
    gap: float
    values: Mapping[str, np.ndarray]


class BulletLegPolicy(LegPolicy, ABC):
    """Moves the Panda of `RobotBulletEnv` from leg to leg, in the control modes `pose` and `delta_pose`.

    Reads `ee_position`, `ee_orientation_eul`, `gripper_pos` and what the expert needs (`sees`); writes `action` `(7,)`.
    """

    predefined_arguments = [
        *LegPolicy.predefined_arguments,
        # The arm does what it is told within a step: more than 1 would overshoot.
        Argument("position_gain", type=float, default=1.0, help="part of the way to go that is gone in a step"),
        Argument("orientation_gain", type=float, default=1.0, help="part of the turn to go likewise"),
    ]

    #: Observations of the world that the expert reads.
    sees: ClassVar[tuple[str, ...]] = ()
    #: Env that it is for, for messages.
    env_name: ClassVar[str] = "BlockEnv3D"
    metres, radians = 0.04, 0.15

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        shapes = {"ee_position": (3,), "ee_orientation_eul": (3,), "gripper_pos": (1,)}
        check_reads(env_spec, {**shapes, **dict.fromkeys(self.sees), "action": (7,)}, type(self).__name__, self.env_name)
        self.reads = (*shapes, *self.sees)
        low, high = env_spec.leaf("action").low, env_spec.leaf("action").high
        # A change goes as far to either side; a place is always before the arm.
        self._is_delta = bool(low[0] == -high[0])

    def see(self, values: Mapping[str, np.ndarray]) -> Seen:
        """See `WaypointPolicy.see`."""
        turn = quaternion_from_euler(values["ee_orientation_eul"])
        # Told from straight down: half a turn about x.
        quat = multiply(turn, np.array([1.0, 0.0, 0.0, 0.0]))
        return Seen(values["ee_position"], quat, _WIDTH * (1 - float(values["gripper_pos"][0]) / CLOSE), values)

    def to_action(self, seen: Seen, motion: np.ndarray, gripper: float) -> np.ndarray:
        """See `WaypointPolicy.to_action`."""
        euler, turn = seen.values["ee_orientation_eul"], self.radians * motion[3:]
        angle = float(np.linalg.norm(turn))
        quat = np.append(turn * (np.sin(angle / 2) / angle if angle > 1e-9 else 0.5), np.cos(angle / 2))
        change = wrap(euler_from_quaternion(multiply(quat, quaternion_from_euler(euler))) - euler)
        pose = np.concatenate([self.metres * motion[:3], change])
        if not self._is_delta:
            pose += np.concatenate([seen.hand, euler])
        return np.append(pose, gripper)


def quaternion_from_euler(euler: np.ndarray) -> np.ndarray:
    """Returns the quaternion (x, y, z, w) of turns about x, y and z of the world, in this order [rad]."""
    quat = np.array([0.0, 0.0, 0.0, 1.0])
    for axis, half in enumerate(np.asarray(euler) / 2):
        turn = np.zeros(4)
        turn[axis], turn[3] = np.sin(half), np.cos(half)
        quat = multiply(turn, quat)
    return quat


def euler_from_quaternion(quat: np.ndarray) -> np.ndarray:
    """Returns the turns about x, y and z of the world, in this order [rad], of a quaternion (x, y, z, w) of length 1."""
    x, y, z, w = quat
    return np.array(
        [
            np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y)),
            np.arcsin(np.clip(2 * (w * y - z * x), -1, 1)),
            np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)),
        ]
    )
