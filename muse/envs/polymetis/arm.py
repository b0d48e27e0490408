"""The Panda's geometry, as its maker publishes it, and where Muse's hand is in it.

Muse speaks of the *tip*, the place between the fingers' ends, in the frame of the arm's base: x ahead, y to the left, z up [m]. Its
orientation is told as in the worlds of bullet: Euler angles of the turn from straight down, fingers opening along y. polymetis
speaks of the flange.
"""

from __future__ import annotations

import math

import numpy as np

from muse.envs.bullet_envs.kinematics import Chain
from muse.envs.bullet_envs.panda import DOWN
from muse.envs.bullet_envs.robot_spec import JOINT_LIMITS
from muse.utils.rotations import euler_from_matrix, matrix_from_euler

JOINTS = 7
#: From the flange to the tip of Franka's own gripper [m].
TOOL_LENGTH = 0.1034
#: The gripper is mounted turned by an eighth about the flange's z.
HAND_TURN = matrix_from_euler((0.0, 0.0, -math.pi / 4))
#: Joint positions `(7,)` [rad] to begin from: hand straight down, over the middle of the table, and turned a quarter either way.
HOMES = {
    "default": (0.0, -0.1876, 0.0, -2.4949, 0.0, 2.3074, 0.7854),
    "lower": (0.0, 0.0722, 0.0, -2.4937, 0.0, 2.5659, 0.7854),
    "default_90": (0.0, -0.1876, 0.0, -2.4949, 0.0, 2.3074, 2.3562),
    "default_m90": (0.0, -0.1876, 0.0, -2.4949, 0.0, 2.3074, -0.7854),
}
#: Turn about x, and offset [m], of each joint in the one before it.
_JOINTS = (
    (0.0, (0.0, 0.0, 0.333)),
    (-math.pi / 2, (0.0, 0.0, 0.0)),
    (math.pi / 2, (0.0, -0.316, 0.0)),
    (math.pi / 2, (0.0825, 0.0, 0.0)),
    (-math.pi / 2, (-0.0825, 0.384, 0.0)),
    (math.pi / 2, (0.0, 0.0, 0.0)),
    (math.pi / 2, (0.088, 0.0, 0.0)),
)
#: From the last joint to the flange [m].
_FLANGE = 0.107


def make_chain(tool_length: float = TOOL_LENGTH) -> Chain:
    """Returns the chain from the base to the tip, which is `tool_length` [m] beyond the flange."""
    tip = _frame(HAND_TURN, (0.0, 0.0, _FLANGE + tool_length))
    frames = np.stack([_frame(matrix_from_euler((turn, 0.0, 0.0)), offset) for turn, offset in _JOINTS])
    return Chain(frames, tip, np.array(JOINT_LIMITS[0]), np.array(JOINT_LIMITS[1]))


def make_flange_chain() -> Chain:
    """Returns the chain from the base to the flange, polymetis' end effector."""
    frames = np.stack([_frame(matrix_from_euler((turn, 0.0, 0.0)), offset) for turn, offset in _JOINTS])
    return Chain(frames, _frame(np.eye(3), (0.0, 0.0, _FLANGE)), np.array(JOINT_LIMITS[0]), np.array(JOINT_LIMITS[1]))


def pose_of(position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Returns the pose `(6,)` of a tip: its place [m], and Euler angles of its turn from straight down [rad]."""
    return np.concatenate([position, euler_from_matrix(rotation @ DOWN)])


def rotation_of(pose: np.ndarray) -> np.ndarray:
    """Returns the rotation `(3, 3)` of a pose `(6,)`."""
    return matrix_from_euler(pose[3:]) @ DOWN


def _frame(rotation: np.ndarray, offset: tuple[float, float, float]) -> np.ndarray:
    frame = np.eye(4)
    frame[:3, :3], frame[:3, 3] = rotation, offset
    return frame
