"""What is observed of the arm."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from muse.envs.polymetis.arm import pose_of
from muse.envs.polymetis.reading import Reading
from muse.utils.rotations import euler_from_matrix, quaternion_from_euler


class Told(NamedTuple):
    """What the arm was last told.

    Attributes:
        pose: Of the tip `(6,)` [m, rad].
        joints: `(7,)` [rad].
        grip: From 0, open, to 255, closed.
    """

    pose: np.ndarray
    joints: np.ndarray
    grip: float


def observe_arm(reading: Reading, width: float, closing: float, told: Told) -> dict[str, np.ndarray]:
    """Returns the leaves of the arm, `(1, *shape)` float32.

    Args:
        reading: Of the robot.
        width: Between the fingers [m].
        closing: How far they are closed, from 0 to 255.
        told: What the arm was last told.
    """
    quaternion = np.array(quaternion_from_euler(euler_from_matrix(reading.rotation)))
    values: dict[str, Any] = {
        "ee_position": reading.position,
        "ee_orientation_eul": pose_of(reading.position, reading.rotation)[3:],
        "ee_orientation": quaternion if quaternion[3] >= 0 else -quaternion,
        "ee_velocity": reading.twist[:3],
        "ee_angular_velocity": reading.twist[3:],
        "joint_positions": [*reading.joints, width / 2, width / 2],
        "qdot": reading.joint_velocities,
        "gripper_pos": [closing],
        "gripper_width": [width],
        "gripper_tip_pos": reading.position,
        "target/ee_position": told.pose[:3],
        "target/ee_orientation_eul": told.pose[3:],
        "target/joint_positions": told.joints,
        "target/gripper_pos": [told.grip],
        "external_wrench": reading.wrench,
        "external_torques": reading.external_torques,
    }
    return {name: np.array(value, np.float32)[None] for name, value in values.items()}
