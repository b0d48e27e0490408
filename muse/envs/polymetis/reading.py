"""What the robot tells, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muse.envs.bullet_envs.kinematics import Chain
from muse.envs.polymetis.arm import JOINTS, make_flange_chain
from muse.envs.polymetis.interface import RobotError, RobotInterface, RobotState
from muse.envs.polymetis.wire import Fault

#: The robot's own idea of its flange may differ from Muse's by as much [m]: it may move in between.
_SAME_PLACE = 0.02


@dataclass(frozen=True)
class Reading:
    """What the arm was doing at one moment. Of the tip, in the frame of the base.

    Args:
        stamp: The robot's own time [s].
        joints, joint_velocities: `(7,)` [rad], [rad/s].
        external_torques: On the joints, from outside `(7,)` [N m].
        position, rotation: `(3,)` [m], `(3, 3)`.
        twist: `(6,)` [m/s, rad/s].
        wrench: Force and torque from outside, from the external torques `(6,)` [N, N m].
    """

    stamp: float
    joints: np.ndarray
    joint_velocities: np.ndarray
    external_torques: np.ndarray
    position: np.ndarray
    rotation: np.ndarray
    twist: np.ndarray
    wrench: np.ndarray


def read_state(state: RobotState, chain: Chain) -> Reading:
    """Returns what a state says, `chain` leading to the tip.

    Raises:
        Fault: For a state of another robot.
    """
    joints, velocities, torques = (
        np.array(values, np.float64) for values in (state.joint_positions, state.joint_velocities, state.motor_torques_external)
    )
    if not joints.shape == velocities.shape == torques.shape == (JOINTS,):
        raise Fault("state", f"{len(joints)} joints, {len(velocities)} velocities, {len(torques)} torques told")
    position, rotation = chain.pose(joints)
    jacobian = chain.jacobian(joints)
    stamp = state.timestamp.seconds + 1e-9 * state.timestamp.nanos
    wrench = wrench_of(jacobian, torques)
    return Reading(stamp, joints, velocities, torques, position, rotation, jacobian @ velocities, wrench)


def check_error(state: RobotState) -> None:
    """Raises `Fault` where the robot reports an error of its own."""
    if state.error_code:
        raise Fault("robot", f"the robot reports error {state.error_code}")


def check_finite(reading: Reading) -> None:
    """Raises `Fault` where the robot tells numbers that are none."""
    if not np.isfinite(np.concatenate([reading.joints, reading.joint_velocities, reading.external_torques])).all():
        raise Fault("state", "the robot tells numbers that are not finite")


def check_flange(robot: RobotInterface, where: str) -> None:
    """Sees that the robot's end effector is where a Panda's flange is for its joints: limits would be of another place.

    Raises:
        RobotError: Where it is not.
    """
    told = np.array(robot.get_ee_pose()[0], np.float64)
    place = make_flange_chain().pose(np.array(robot.get_robot_state().joint_positions, np.float64))[0]
    if not np.abs(told - place).max() < _SAME_PLACE:
        raise RobotError(
            f"{where}: the robot's end effector",
            f"at {told.round(3).tolist()}",
            f"a Panda's flange (panda_link8), at {place.round(3).tolist()}",
            "ee_link_name in the configuration of polymetis' server",
        )


def wrench_of(jacobian: np.ndarray, torques: np.ndarray) -> np.ndarray:
    """Returns the force and torque `(6,)` at a tip that explain torques of joints `(J,)` best, `jacobian` `(6, J)`."""
    return np.linalg.solve(jacobian @ jacobian.T + 1e-4 * np.eye(6), jacobian @ torques)
