"""A Franka Panda and its gripper, out of pybullet's own data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from muse.envs.bullet_envs.bullet import Bullet
from muse.envs.bullet_envs.kinematics import Chain
from muse.utils.rotations import euler_from_matrix, matrix_from_euler, matrix_from_quaternion

#: Gripper action, and `gripper_pos`, of the closed gripper; 0 is open.
CLOSED = 255.0
#: Joints of the arm; then come the two fingers.
ARM_JOINTS = 7
#: Where the arm waits: hand straight down, 0.25 m above the table.
HOME = (0.0, -0.1876, 0.0, -2.4949, 0.0, 2.3074, 0.7854)
#: How far each finger opens [m].
FINGER_WIDTH = 0.04
#: The hand when it points straight down; orientations are told as turns from there, about the axes of the world.
DOWN = np.diag([1.0, -1.0, -1.0])

_HOME = np.array(HOME)
_LINKS = {"hand": 8, "left_finger": 9, "right_finger": 10, "tip": 11}
_FINGERS = (_LINKS["left_finger"], _LINKS["right_finger"])
_MOTORS = [*range(ARM_JOINTS), *_FINGERS]
_FORCES = [87.0] * 4 + [12.0] * 3 + [40.0] * 2
#: Part of the way to its target that a motor goes in a step of physics, besides the velocity that it is told.
_GAINS = [0.2] * ARM_JOINTS + [0.3] * 2
_FOLLOW = [1.0] * (ARM_JOINTS + 2)
#: From a finger's origin to its end [m].
_FINGER_LENGTH = 0.0536
#: How far a command may run ahead of a joint that is blocked: [rad] and [m].
_LEASH = np.array([0.1] * ARM_JOINTS + [0.01] * 2)
#: Steps of the solver, and error [m, rad] at which it stops, when the arm moves.
_STEPS, _CLOSE = 2, 2e-5


@dataclass(frozen=True)
class Limits:
    """How the arm may move.

    Args:
        low, high: Corners of the box in which its tip stays `(3,)` [m].
        tilt: Largest turn of the hand about x and y, either way [rad].
        yaw: About z [rad].
        speed, turn_speed: Of the hand along and about each axis [m/s], [rad/s].
        joint_speed, finger_speed: [rad/s], [m/s].
    """

    low: Sequence[float]
    high: Sequence[float]
    tilt: float = 0.8
    yaw: float = np.pi / 2
    speed: float = 0.4
    turn_speed: float = 1.5
    joint_speed: float = 2.0
    finger_speed: float = 0.1


class Panda:
    """The arm of one episode, at rest; its base is at the origin.

    Poses of the hand are six numbers: the place between the fingers' ends [m], and Euler angles [rad] of its turn from straight
    down, the fingers opening along y.

    Args:
        bullet: The world to put it in.
        chain: Of its joints, as `read_chain` gives it.
        joints: Joint positions to start from, the fingers' last `(9,)` [rad, m].
        limits: How it may move.
        is_drawn: Whether pictures will be taken.
    """

    def __init__(self, bullet: Bullet, chain: Chain, joints: np.ndarray, limits: Limits, is_drawn: bool = True) -> None:
        self._bullet, self._limits, self.chain = bullet, limits, chain
        self.body = _load(bullet, is_drawn)
        self.hand = _LINKS["hand"]
        pose_limits = [limits.tilt, limits.tilt, limits.yaw]
        self._low = np.array([*limits.low, *(-angle for angle in pose_limits)])
        self._high = np.array([*limits.high, *pose_limits])
        for joint, position in zip(_MOTORS, joints.tolist(), strict=True):
            bullet.resetJointState(self.body, joint, position)
        self._hold_fingers_together()
        bullet.enableJointForceTorqueSensor(self.body, _LINKS["hand"], True)
        for finger in _FINGERS:
            bullet.changeDynamics(self.body, finger, lateralFriction=1.0, spinningFriction=0.02)
        #: What joints are told at present `(9,)`.
        self.command = np.array(joints)

    def aim_at_pose(self, pose: np.ndarray, gripper: float, dt: float) -> np.ndarray:
        """Returns what joints are to be told in `dt` [s], on the way to a pose `(6,)`, gripper from 0 to 255."""
        now = self._commanded_pose()
        pose = np.clip(pose, self._low, self._high)
        step = dt * np.repeat([self._limits.speed, self._limits.turn_speed], 3)
        pose = now + np.clip(pose - now, -step, step)
        rotation = matrix_from_euler(pose[3:]) @ DOWN
        arm = self.chain.solve(self.command[:ARM_JOINTS], pose[:3], rotation, _HOME, _STEPS, _CLOSE)
        return self._aim(arm, gripper, dt)

    def aim_by(self, change: np.ndarray, gripper: float, dt: float) -> np.ndarray:
        """Returns the same for a change `(6,)` of the pose that the hand has been told."""
        return self.aim_at_pose(self._commanded_pose() + change, gripper, dt)

    def aim_at_joints(self, joints: np.ndarray, gripper: float, dt: float) -> np.ndarray:
        """Returns the same for joint positions of the arm `(7,)`; where these would bring its tip out of its box, it stays inside."""
        target = self._aim(np.clip(joints, self.chain.low, self.chain.high), gripper, dt)
        position, rotation = self.chain.pose(target[:ARM_JOINTS])
        inside = np.clip(position, self._low[:3], self._high[:3])
        if np.array_equal(inside, position):
            return target
        posture = target[:ARM_JOINTS]
        return self._aim(self.chain.solve(posture, inside, rotation, posture, _STEPS, _CLOSE), gripper, dt)

    def aim(self, mode: str, action: np.ndarray, dt: float) -> np.ndarray:
        """Returns the same for an action in one of the `MODES`, its last number the gripper."""
        return _AIMS[mode](self, action[:-1], float(action[-1]), dt)

    def tell(self, joints: np.ndarray, velocities: np.ndarray) -> None:
        """Tells the motors where to be next `(9,)` [rad, m] and how fast `(9,)`."""
        self._bullet.setJointMotorControlArray(
            self.body,
            _MOTORS,
            self._bullet.POSITION_CONTROL,
            targetPositions=joints.tolist(),
            targetVelocities=velocities.tolist(),
            forces=_FORCES,
            positionGains=_GAINS,
            velocityGains=_FOLLOW,
        )

    def shorten_leash(self) -> None:
        """Keeps commands close to joints that could not follow, so that nothing snaps when their way is free again."""
        self.command = self._leashed_command()

    def lead(self, mode: str, velocity: np.ndarray, gripper: float, dt: float) -> np.ndarray:
        """Returns the action in one of the `MODES` by which the hand moves for `dt` [s], as far as it may; changes nothing.

        Args:
            velocity: Along the axes of the world, then about them `(6,)` [m/s], [rad/s].
            gripper: From 0 to 255.
        """
        command = self._leashed_command()[:ARM_JOINTS]
        position, rotation = self.chain.pose(command)
        turned = matrix_from_euler(dt * velocity[3:]) @ rotation
        pose = np.clip(_join_pose(position + dt * velocity[:3], turned), self._low, self._high)
        if mode == "delta_pose":
            pose = pose - _join_pose(position, rotation)
        elif mode == "joint":
            pose = self.chain.solve(command, pose[:3], matrix_from_euler(pose[3:]) @ DOWN, _HOME, _STEPS, _CLOSE)
        return np.append(pose, gripper)

    def read(self) -> dict[str, np.ndarray]:
        """Returns the arm's observations, in float64."""
        bullet, body = self._bullet, self.body
        states = bullet.getJointStates(body, _MOTORS)
        joints = np.array([state[0] for state in states])
        tip, *fingers = bullet.getLinkStates(
            body, [_LINKS["tip"], *_FINGERS], computeLinkVelocity=True, computeForwardKinematics=True
        )
        ends = [np.asarray(finger[4]) + _FINGER_LENGTH * matrix_from_quaternion(finger[5])[:, 2] for finger in fingers]
        touched = [float(presses(bullet.getContactPoints(bodyA=body, linkIndexA=finger))) for finger in _FINGERS]
        return {
            "ee_position": np.array(tip[4]),
            "ee_orientation_eul": euler_from_matrix(matrix_from_quaternion(tip[5]) @ DOWN),
            "ee_velocity": np.array(tip[6]),
            "ee_angular_velocity": np.array(tip[7]),
            "joint_positions": joints,
            "gripper_pos": CLOSED * (1 - joints[ARM_JOINTS:].sum(keepdims=True) / (2 * FINGER_WIDTH)),
            "gripper_tip_pos": (ends[0] + ends[1]) / 2,
            "finger_left_contact": np.array([touched[0]]),
            "finger_right_contact": np.array([touched[1]]),
            "wrist_ft": np.array(bullet.getJointState(body, _LINKS["hand"])[2]),
        }

    def _aim(self, arm: np.ndarray, gripper: float, dt: float) -> np.ndarray:
        finger = FINGER_WIDTH * (1 - min(max(gripper, 0.0), CLOSED) / CLOSED)
        way = np.append(arm, [finger, finger]) - self.command
        # All joints of the arm are slowed down alike, so that the hand keeps its direction.
        way[:ARM_JOINTS] *= min(1.0, dt * self._limits.joint_speed / max(np.abs(way[:ARM_JOINTS]).max(), 1e-9))
        step = dt * self._limits.finger_speed
        way[ARM_JOINTS:] = np.clip(way[ARM_JOINTS:], -step, step)
        return self.command + way

    def _commanded_pose(self) -> np.ndarray:
        return _join_pose(*self.chain.pose(self.command[:ARM_JOINTS]))

    def _leashed_command(self) -> np.ndarray:
        joints = np.array([state[0] for state in self._bullet.getJointStates(self.body, _MOTORS)])
        return joints + np.clip(self.command - joints, -_LEASH, _LEASH)

    def _hold_fingers_together(self) -> None:
        """The gripper has one motor: pybullet reads nothing of a joint that mimics another."""
        bullet, middle = self._bullet, (0.0, 0.0, 0.0)
        gear = bullet.createConstraint(
            self.body, _FINGERS[0], self.body, _FINGERS[1], bullet.JOINT_GEAR, (1, 0, 0), middle, middle
        )
        bullet.changeConstraint(gear, gearRatio=-1, erp=0.1, maxForce=50)


def read_chain(bullet: Bullet) -> Chain:
    """Returns the chain of the arm's joints. What was in the world is gone."""
    bullet.resetSimulation()
    body = _load(bullet, is_drawn=False)
    world = [np.eye(4)]
    for link in (*range(ARM_JOINTS), _LINKS["tip"]):
        state = bullet.getLinkState(body, link, computeForwardKinematics=True)
        frame = np.eye(4)
        frame[:3, :3], frame[:3, 3] = matrix_from_quaternion(state[5]), state[4]
        world.append(frame)
    frames = [np.linalg.inv(before) @ after for before, after in itertools.pairwise(world)]
    limits = np.array([bullet.getJointInfo(body, joint)[8:10] for joint in range(ARM_JOINTS)])
    return Chain(np.stack(frames[:-1]), frames[-1], limits[:, 0], limits[:, 1])


def reach(chain: Chain, position: Sequence[float], euler: Sequence[float]) -> np.ndarray:
    """Returns joint positions of the arm `(7,)` for a pose of the hand, or for one near to it."""
    rotation = matrix_from_euler(euler) @ DOWN
    return chain.solve(_HOME, np.asarray(position, np.float64), rotation, _HOME, iterations=200)


def presses(contacts: Sequence[tuple]) -> bool:
    """Whether any of pybullet's contact points bears a force; it also tells of points that are merely close."""
    return any(contact[9] > 0 for contact in contacts)


#: What an action may mean, and how the arm is aimed by it.
_AIMS = {"pose": Panda.aim_at_pose, "delta_pose": Panda.aim_by, "joint": Panda.aim_at_joints}
MODES = tuple(_AIMS)


def _join_pose(position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    return np.concatenate([position, euler_from_matrix(rotation @ DOWN)])


def _load(bullet: Bullet, is_drawn: bool) -> int:
    flags = 0 if is_drawn else bullet.URDF_IGNORE_VISUAL_SHAPES
    body: int = bullet.loadURDF(f"{bullet.data_path}/franka_panda/panda.urdf", useFixedBase=True, flags=flags)
    return body
