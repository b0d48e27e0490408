"""A Panda of pybullet behind the names of polymetis: its arm under impedance control a thousand times a second, its gripper, a table."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch

from muse.envs.bullet_envs.bodies import Part, add_body
from muse.envs.bullet_envs.bullet import Bullet
from muse.envs.bullet_envs.camera import View, draw
from muse.envs.polymetis.arm import JOINTS, make_chain, make_flange_chain
from muse.utils.clock import Clock
from muse.utils.rotations import euler_from_matrix, matrix_from_quaternion, quaternion_from_euler

#: Steps of physics, and of the controller, in a second.
PHYSICS_HZ = 1000
#: Gains of the controllers as polymetis' server has them for a Panda: joints, then the hand.
KQ, KQD = (40.0, 30.0, 50.0, 25.0, 35.0, 25.0, 10.0), (4.0, 6.0, 5.0, 5.0, 3.0, 2.0, 1.0)
KX, KXD = (750.0, 750.0, 750.0, 15.0, 15.0, 15.0), (37.0, 37.0, 37.0, 2.0, 2.0, 2.0)
#: What the motors can [N m].
TORQUES = np.array([87.0] * 4 + [12.0] * 3)
#: Between the open fingers [m].
MAX_WIDTH = 0.08

_HAND, _FINGERS, _TIP, _FLANGE = 8, (9, 10), 11, 7
_MOTORS = [*range(JOINTS), *_FINGERS]
#: Steps of physics after which the gains of the hand are turned into those of joints anew.
_GAINS_EVERY = 10
#: Part of a new external torque in its running mean, at each step of physics: about 10 ms, as the real one filters its estimate.
_FILTER = 0.1
_FINGER_FORCE = 40.0
#: What `render()` of the env shows.
VIEW = View((1.5, 0.95, 0.85), (0.33, 0.0, 0.33), angle=44.0)

_Method = TypeVar("_Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class SimulatedTime:
    """As `google.protobuf.Timestamp`."""

    seconds: int
    nanos: int


@dataclass(frozen=True)
class SimulatedRobotState:
    """What Muse reads of polymetis' `RobotState`."""

    timestamp: SimulatedTime
    joint_positions: Sequence[float]
    joint_velocities: Sequence[float]
    motor_torques_external: Sequence[float]
    error_code: int = 0


@dataclass(frozen=True)
class SimulatedGripperState:
    """What Muse reads of polymetis' `GripperState`."""

    width: float
    max_width: float
    is_grasped: bool
    is_moving: bool


@dataclass
class _Controller:
    """A running impedance controller: where the joints are to be, and with what gains they are held there."""

    desired: np.ndarray
    joint_gains: tuple[np.ndarray, np.ndarray]
    hand_gains: tuple[np.ndarray, np.ndarray] | None
    matrices: tuple[np.ndarray, np.ndarray] = field(default_factory=lambda: (np.zeros((7, 7)), np.zeros((7, 7))))


def _in_step(method: _Method) -> _Method:
    """Brings the physics to the present before a method is answered, and answers one caller at a time."""

    @functools.wraps(method)
    def wrapped(self: SimulatedRobot, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            self.catch_up()
            return method(self, *args, **kwargs)

    return wrapped  # type: ignore[return-value]


class SimulatedRobot:
    """An arm whose methods are those of `muse.envs.polymetis.interface.RobotInterface`; `gripper` has the gripper's.

    Physics runs along with the clock: every call first brings it to the present. It may be called from several threads. Torques
    are those that polymetis' `HybridJointImpedanceControl` computes, gravity is compensated, and without a controller the arm is
    held where it is by default gains, as polymetis' server does it.

    Args:
        clock: Whose time.
        wanted_by: What needs it, for the message where pybullet is missing.

    Attributes:
        hand: What a person's hand does to the tip, `fn(seconds, position (3,), velocity (3,)) -> force (3,)` [m, m/s, N]; None: nothing.
        gripper: The gripper.
        bullet: The physics, to put things into the world after `begin`.
        tip_length: From the flange to where the hand pulls [m].
    """

    def __init__(self, clock: Clock, wanted_by: str = "SimulatedRobot") -> None:
        self.lock = threading.RLock()
        self.bullet = Bullet(wanted_by)
        self.gripper = SimulatedGripper(self)
        self.hand: Callable[[float, np.ndarray, np.ndarray], np.ndarray] | None = None
        self._clock = clock
        self._flange, self._tip = make_flange_chain(), make_chain()
        self.begin(np.array([0.0, -0.1876, 0.0, -2.4949, 0.0, 2.3074, 0.7854]))

    def begin(self, joints: np.ndarray, width: float = MAX_WIDTH) -> None:
        """Makes the world anew: the arm at rest at joint positions `(7,)` [rad], fingers `width` [m] apart, and a table."""
        with self.lock:
            bullet = self.bullet
            bullet.resetSimulation()
            bullet.setGravity(0.0, 0.0, -9.81)
            bullet.setPhysicsEngineParameter(
                fixedTimeStep=1.0 / PHYSICS_HZ, numSolverIterations=50, deterministicOverlappingPairs=1
            )
            self.body: int = bullet.loadURDF(f"{bullet.data_path}/franka_panda/panda.urdf", useFixedBase=True)
            for joint, value in zip(_MOTORS, [*joints.tolist(), width / 2, width / 2], strict=True):
                bullet.resetJointState(self.body, joint, value)
            for joint in range(JOINTS):
                bullet.changeDynamics(self.body, joint, jointDamping=0.1, linearDamping=0.0, angularDamping=0.0)
            # The motors that joints come with would hold them.
            bullet.setJointMotorControlArray(self.body, list(range(JOINTS)), bullet.VELOCITY_CONTROL, forces=[0.0] * JOINTS)
            for finger in _FINGERS:
                bullet.changeDynamics(self.body, finger, lateralFriction=1.0, spinningFriction=0.02, jointDamping=10.0)
            top = Part((0.6, 0.9, 0.04), colour=(0.78, 0.68, 0.55, 1.0))
            self.table = add_body(bullet, [top], (0.55, 0.0, -0.02))
            self._steps, self._begin = 0, self._clock.now()
            self._is_held, self._controller = True, self._hold()
            self._external = np.zeros(JOINTS)
            self.gripper.begin(width)

    @property
    def seconds(self) -> float:
        """Time since `begin`, in steps of physics [s]."""
        return self._steps / PHYSICS_HZ

    # What polymetis' client has.

    @_in_step
    def get_robot_state(self) -> SimulatedRobotState:
        """See `RobotInterface`."""
        joints, velocities = self._read()
        stamp = self._begin + self.seconds
        whole = math.floor(stamp)
        return SimulatedRobotState(
            SimulatedTime(whole, int(1e9 * (stamp - whole))), joints.tolist(), velocities.tolist(), self._external.tolist()
        )

    @_in_step
    def get_ee_pose(self) -> tuple[torch.Tensor, torch.Tensor]:
        """See `RobotInterface`."""
        position, rotation = self._flange.pose(self._read()[0])
        return torch.tensor(position).float(), torch.tensor(quaternion_from_euler(euler_from_matrix(rotation))).float()

    @_in_step
    def is_running_policy(self) -> bool:
        """See `RobotInterface`."""
        return not self._is_held

    @_in_step
    def start_joint_impedance(
        self, Kq: torch.Tensor | None = None, Kqd: torch.Tensor | None = None, adaptive: bool = True, **kwargs: Any
    ) -> None:
        """See `RobotInterface`."""
        gains = _array(KQ if Kq is None else Kq), _array(KQD if Kqd is None else Kqd)
        hand = (_array(KX), _array(KXD)) if adaptive else None
        self._controller, self._is_held = _Controller(self._read()[0], gains, hand), False

    @_in_step
    def start_cartesian_impedance(self, Kx: torch.Tensor | None = None, Kxd: torch.Tensor | None = None, **kwargs: Any) -> None:
        """See `RobotInterface`."""
        hand = _array(KX if Kx is None else Kx), _array(KXD if Kxd is None else Kxd)
        self._controller, self._is_held = _Controller(self._read()[0], (_array(KQ), _array(KQD)), hand), False

    @_in_step
    def update_desired_joint_positions(self, positions: torch.Tensor) -> int:
        """See `RobotInterface`."""
        if self._is_held:
            raise RuntimeError("POLYMETIS SERVER ERROR --\nno controller running")
        self._controller.desired = _array(positions)
        return self._steps

    @_in_step
    def terminate_current_policy(self, return_log: bool = True, timeout: float | None = None) -> list[SimulatedRobotState]:
        """See `RobotInterface`. There is no log to return."""
        self._is_held, self._controller = True, self._hold()
        return []

    # Besides.

    @_in_step
    def draw(self, height: int, width: int, view: View = VIEW) -> np.ndarray:
        """Returns a picture `(Y, X, 3)` uint8."""
        return draw(self.bullet, view, height, width)

    @_in_step
    def hand_view(self) -> View:
        """Returns what a camera at the wrist sees: the fingers' ends from behind."""
        state = self.bullet.getLinkState(self.body, _HAND, computeForwardKinematics=True)
        turn, place = matrix_from_quaternion(state[5]), np.array(state[4])
        x, _, z = turn.T
        return View(place + 0.09 * x, place + 0.03 * x + 0.12 * z, x, 75.0)

    def close(self) -> None:
        """Ends the physics. May be called twice."""
        with self.lock:
            self.bullet.close()

    def catch_up(self) -> None:
        """Runs the physics up to the clock's present."""
        due = round((self._clock.now() - self._begin) * PHYSICS_HZ)
        while self._steps < due:
            self._step()

    def _hold(self) -> _Controller:
        hand = (_array(KX), _array(KXD))
        return _Controller(self._read()[0], (_array(KQ), _array(KQD)), hand)

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        states = self.bullet.getJointStates(self.body, range(JOINTS))
        return np.array([state[0] for state in states]), np.array([state[1] for state in states])

    def _step(self) -> None:
        bullet, body, controller = self.bullet, self.body, self._controller
        states = bullet.getJointStates(body, _MOTORS)
        positions, velocities = [state[0] for state in states], [state[1] for state in states]
        joints, speeds = np.array(positions[:JOINTS]), np.array(velocities[:JOINTS])
        if self._steps % _GAINS_EVERY == 0:
            controller.matrices = self._gains(controller, joints)
        stiffness, damping = controller.matrices
        # Gravity and Coriolis forces are the robot's own business, as with a real one.
        model = bullet.calculateInverseDynamics(body, positions, velocities, [0.0] * len(_MOTORS))
        torque = stiffness @ (controller.desired - joints) - damping @ speeds + np.array(model[:JOINTS])
        torque = np.minimum(np.maximum(torque, -TORQUES), TORQUES)
        bullet.setJointMotorControlArray(body, range(JOINTS), bullet.TORQUE_CONTROL, forces=torque.tolist())
        external = self._push(joints, speeds)
        bullet.stepSimulation()
        self._external += _FILTER * (external + self._touch(positions) - self._external)
        self._steps += 1

    def _gains(self, controller: _Controller, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        stiffness, damping = np.diag(controller.joint_gains[0]), np.diag(controller.joint_gains[1])
        if controller.hand_gains is not None:
            jacobian = self._flange.jacobian(joints)
            stiffness = stiffness + jacobian.T @ (controller.hand_gains[0][:, None] * jacobian)
            damping = damping + jacobian.T @ (controller.hand_gains[1][:, None] * jacobian)
        return stiffness, damping

    def _push(self, joints: np.ndarray, speeds: np.ndarray) -> np.ndarray:
        """Lets the hand push, and returns the torques `(7,)` of it."""
        if self.hand is None:
            return np.zeros(JOINTS)
        position, jacobian = self._tip.pose(joints)[0], self._tip.jacobian(joints)[:3]
        force = np.asarray(self.hand(self.seconds, position, jacobian @ speeds), np.float64)
        bullet = self.bullet
        bullet.applyExternalForce(self.body, _HAND, force.tolist(), position.tolist(), bullet.WORLD_FRAME)
        return jacobian.T @ force

    def _touch(self, positions: list[float]) -> np.ndarray:
        """Returns the torques `(7,)` of what presses on the arm."""
        bullet, torque = self.bullet, np.zeros(JOINTS)
        for contact in bullet.getContactPoints(bodyA=self.body):
            link, point, normal, force = contact[3], contact[5], contact[7], contact[9]
            if force <= 0 or link < 0 or contact[2] == self.body:
                continue
            sideways = contact[10] * np.array(contact[11]) + contact[12] * np.array(contact[13])
            state = bullet.getLinkState(self.body, link, computeForwardKinematics=True)
            # Of a place in the frame of the link's centre of mass.
            local = matrix_from_quaternion(state[1]).T @ (np.array(point) - state[0])
            zeros = [0.0] * len(_MOTORS)
            linear, _ = bullet.calculateJacobian(self.body, link, local.tolist(), positions, zeros, zeros)
            torque += np.array(linear)[:, :JOINTS].T @ (force * np.array(normal) + sideways)
        return torque


class SimulatedGripper:
    """The gripper of a `SimulatedRobot`, with the names of `muse.envs.polymetis.interface.GripperInterface`."""

    def __init__(self, robot: SimulatedRobot) -> None:
        self._robot = robot

    def begin(self, width: float) -> None:
        """Holds the fingers `width` [m] apart."""
        self._tell(width, 0.1, _FINGER_FORCE)

    def get_state(self) -> SimulatedGripperState:
        """See `GripperInterface`."""
        robot = self._robot
        with robot.lock:
            robot.catch_up()
            states = robot.bullet.getJointStates(robot.body, _FINGERS)
        width = float(sum(state[0] for state in states))
        is_moving = max(abs(state[1]) for state in states) > 2e-3
        # Closing, and come to rest before the goal: on something.
        is_grasped = not is_moving and width > self._goal + 2e-3
        return SimulatedGripperState(width, MAX_WIDTH, is_grasped, is_moving)

    def goto(self, width: float, speed: float, force: float, blocking: bool = True) -> None:
        """See `GripperInterface`; returns at once."""
        with self._robot.lock:
            self._robot.catch_up()
            self._tell(width, speed, force)

    def grasp(self, speed: float, force: float, blocking: bool = True) -> None:
        """See `GripperInterface`; returns at once."""
        self.goto(0.0, speed, force, blocking)

    def _tell(self, width: float, speed: float, force: float) -> None:
        self._goal = min(max(width, 0.0), MAX_WIDTH)
        bullet = self._robot.bullet
        for finger in _FINGERS:
            bullet.setJointMotorControl2(
                self._robot.body, finger, bullet.POSITION_CONTROL, targetPosition=self._goal / 2, force=min(force, 70.0),
                maxVelocity=speed / 2, positionGain=0.3,
            )  # fmt: skip


def _array(values: Any) -> np.ndarray:
    return np.asarray(values, np.float64).copy()
