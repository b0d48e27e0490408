"""What a reset is given of how the arm begins."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from muse.envs.bullet_envs.kinematics import Chain
from muse.envs.bullet_envs.panda import FINGER_WIDTH, reach
from muse.envs.bullet_envs.robot_spec import JOINT_LIMITS
from muse.envs.env import EnvError

#: A pose of the hand, instead of joint positions.
HAND = ("ee_position", "ee_orientation_eul")
#: A pose is reached when it is as close [m].
_CLOSE = 1e-4


def check_arm(given: Mapping[str, np.ndarray], where: str) -> None:
    """Checks what a reset is given of the arm.

    Args:
        given: As `read_start` returns it.
        where: What to name in the message.

    Raises:
        EnvError: For joints that are not within their limits, or joints and a pose at once.
    """
    if "joint_positions" in given:
        if any(name in given for name in HAND):
            raise EnvError(f"{where}: presets", "'joint_positions' and a pose of the hand", "one of the two")
        joints = given["joint_positions"]
        low, high = ([*limits, end, end] for limits, end in zip(JOINT_LIMITS, (0.0, FINGER_WIDTH), strict=True))
        if not np.array_equal(joints, np.clip(joints, np.float32(low), np.float32(high))):
            raise EnvError(f"{where}: 'joint_positions'", f"{joints.tolist()}", f"within {low} and {high}")


def reach_start(chain: Chain, given: Mapping[str, np.ndarray], place: np.ndarray, where: str) -> np.ndarray:
    """Returns joint positions of the arm `(7,)` for the pose of the hand that is given, at `place` `(3,)` [m] where no place is.

    Raises:
        EnvError: When the hand does not reach there.
    """
    place, turn = given.get("ee_position", place), given.get("ee_orientation_eul", np.zeros(3))
    arm = reach(chain, place, turn)
    if np.abs(chain.pose(arm)[0] - place).max() > _CLOSE:
        raise EnvError(where, f"the hand does not reach {np.round(place, 4).tolist()}", "a pose above the table")
    return arm
