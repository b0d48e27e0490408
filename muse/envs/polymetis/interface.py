"""What Muse uses of polymetis, and the way to it. The loop that calls it (`muse.envs.polymetis.servo`), at 40 Hz or so:

robot.start_cartesian_impedance()                   # or start_joint_impedance(): the arm holds where it is
while True:
    state = robot.get_robot_state()
    if not robot.is_running_policy(): ...           # the robot's own safety has ended it
    robot.update_desired_joint_positions(positions)
robot.terminate_current_policy(return_log=False)    # the robot's server goes on to hold the arm where it is

Under either controller joint positions are told: `update_desired_ee_pose` of polymetis looks for joint positions itself, from where the
joints are, and knows neither limits of their speeds nor where the arm was before. Muse looks for them within its limits.

Names and signatures are those of `polymetis.RobotInterface` and `polymetis.GripperInterface`, as that project publishes them
(facebookresearch/fairo, polymetis 0.2); its clients serve as they are. A simulated robot has the same ones.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from muse.envs.env import EnvError
from muse.utils.errors import MissingExtraError, brief

if TYPE_CHECKING:
    import torch

#: What installs polymetis: pip does not have it.
INSTALL = "conda install -c pytorch -c fair-robotics -c aihabitat -c conda-forge polymetis"


class RobotError(EnvError):
    """What the robot or its limits forbid. Never an `EnvFailure`: a rollout must not begin again by itself on a real robot."""


class RobotStopped(RobotError):
    """The robot was stopped, and stays so until a person has looked and called `recover`, then `arm`."""


class ActionRefused(RobotError):
    """An action outside the limits, where these refuse instead of clipping. The arm goes on to what it was told before."""


class Timestamp(Protocol):
    """`google.protobuf.Timestamp`."""

    @property
    def seconds(self) -> int:
        """Whole seconds."""

    @property
    def nanos(self) -> int:
        """The rest [ns]."""


class RobotState(Protocol):
    """What Muse reads of polymetis' message of this name."""

    @property
    def timestamp(self) -> Timestamp:
        """When this was."""

    @property
    def joint_positions(self) -> Sequence[float]:
        """`(7,)` [rad]."""

    @property
    def joint_velocities(self) -> Sequence[float]:
        """`(7,)` [rad/s]."""

    @property
    def motor_torques_external(self) -> Sequence[float]:
        """What the motors feel besides what the robot's own model explains `(7,)` [N m]."""

    @property
    def error_code(self) -> int:
        """0 where all is well."""


class GripperState(Protocol):
    """What Muse reads of polymetis' message of this name."""

    @property
    def width(self) -> float:
        """Between the fingers [m]."""

    @property
    def max_width(self) -> float:
        """Between the open fingers [m]."""


class RobotInterface(Protocol):
    """The arm. Positions are those of the flange (`panda_link8`) in the frame of the base [m], quaternions `(x, y, z, w)`."""

    def get_robot_state(self) -> RobotState:
        """Returns the latest state."""

    def get_ee_pose(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns position `(3,)` and quaternion `(4,)` of the flange."""

    def is_running_policy(self) -> bool:
        """Whether a controller that was started still runs."""

    def start_joint_impedance(
        self, Kq: torch.Tensor | None = None, Kqd: torch.Tensor | None = None, adaptive: bool = True, **kwargs: Any
    ) -> Any:
        """Starts a controller that holds the joints; `Kq`, `Kqd` `(7,)` [N m/rad, N m s/rad].

        Without `adaptive` joints are held by these gains alone, else also by the default ones of the hand.
        """

    def start_cartesian_impedance(self, Kx: torch.Tensor | None = None, Kxd: torch.Tensor | None = None, **kwargs: Any) -> Any:
        """Starts a controller that holds the hand; `Kx`, `Kxd` `(6,)` [N/m, N m/rad, and by seconds]."""

    def update_desired_joint_positions(self, positions: torch.Tensor) -> int:
        """Tells where joints are to be `(7,)` [rad]."""

    def terminate_current_policy(self, return_log: bool = True, timeout: float | None = None) -> Any:
        """Ends the controller; the robot's default one holds the arm where it is."""


class GripperInterface(Protocol):
    """The gripper."""

    def get_state(self) -> GripperState:
        """Returns its state."""

    def goto(self, width: float, speed: float, force: float, blocking: bool = True) -> None:
        """Goes to a width [m] at a speed [m/s] with a force of at most [N]."""

    def grasp(self, speed: float, force: float, blocking: bool = True) -> None:
        """Closes on what is there and holds it with a force [N]."""


def connect(
    ip_address: str, timeout: float, wanted_by: str, with_gripper: bool = True
) -> tuple[RobotInterface, GripperInterface | None]:
    """Connects to the servers of polymetis for arm and gripper.

    Args:
        ip_address: Of the computer on which they run.
        timeout: How long that may take [s].
        wanted_by: What needs it, for the message.
        with_gripper: Whether there is one.

    Raises:
        MissingExtraError: Where polymetis is not installed.
        RobotError: Where nobody answers, or not in time.
    """
    polymetis = _require_polymetis(wanted_by)
    robot = within(timeout, lambda: polymetis.RobotInterface(ip_address=ip_address), f"{wanted_by}: {ip_address}:50051")
    if not with_gripper:
        return robot, None
    gripper = within(timeout, lambda: _open_gripper(polymetis, ip_address), f"{wanted_by}: gripper at {ip_address}:50052")
    return robot, gripper


def within(timeout: float, call: Callable[[], Any], where: str) -> Any:
    """Returns `call()`, which is given up after `timeout` [s] of the wall.

    Its thread goes on to wait: nothing ends a call that hangs in a library.

    Raises:
        RobotError: Where it fails in any way, or does not come back.
    """
    answer: list[Any] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            answer.append(call())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, name="muse-connect", daemon=True)
    thread.start()
    thread.join(timeout)
    hint = (
        "see that its server runs (launch_robot.py, launch_gripper.py), that the brakes are open and FCI is on, and the address"
    )
    if failure:
        raise RobotError(where, brief(failure[0], with_kind=True), "polymetis' server", hint) from failure[0]
    if not answer:
        raise RobotError(where, f"no answer in {timeout:g} s", "polymetis' server", hint)
    return answer[0]


def _open_gripper(polymetis: Any, ip_address: str) -> GripperInterface:
    gripper = polymetis.GripperInterface(ip_address=ip_address)
    # Its constructor asks nothing; only a call shows whether anybody is there.
    gripper.get_state()
    return gripper


def _require_polymetis(wanted_by: str) -> Any:
    try:
        return importlib.import_module("polymetis")
    except Exception as error:
        raise MissingExtraError(
            wanted_by,
            f"cannot import 'polymetis' ({brief(error, with_kind=True)})",
            "polymetis, which pip does not have",
            f"{INSTALL}; docs/real-robot.md says more. Without a robot: cfgs/env/polymetis_panda_sim.py",
        ) from error
