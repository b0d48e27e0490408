"""The options of `PolymetisPandaEnv`, what is observed, and what an action is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.bullet_envs.robot_spec import INFINITE
from muse.envs.env import EnvError
from muse.envs.polymetis.arm import HOMES, TOOL_LENGTH
from muse.envs.polymetis.hand import CLOSED, MODES
from muse.envs.polymetis.safety import SHARE, Limits, check_limits
from muse.specs import EnvSpec
from muse.utils.abstract import Argument, is_group

ACTION_SPACES = ("joint", "joint-delta", "ee-euler", "ee-euler-delta")
#: Part of the way from where the arm is to where it was last told to be, from which a change is counted.
PIVOTS = {"expected": 1.0, "eval": 0.25, "ground-truth": 0.0}
#: Sensors by the option that describes them: the name of what each observes.
SENSORS = {"camera": "image", "ego_camera": "ego_image", "force_sensor": "wrist_ft"}

ARGUMENTS = [
    Argument("home", type=str, default="default", choices=tuple(HOMES), help="where an episode begins"),
    Argument("home_joints", type=list, default=None, element_type=float, help="joint positions to begin from instead", unit="rad"),
    Argument("franka_ip", type=str, default="172.16.0.1", help="address of the computer on which polymetis' servers run"),
    Argument("connect_timeout", type=float, default=10.0, help="time to connect in", unit="s"),
    Argument("hz", type=float, default=10.0, help="steps in a second"),
    Argument("horizon", type=int, default=600, help="length after which an episode is truncated", unit="steps"),
    Argument("action_space", type=str, default="ee-euler-delta", choices=ACTION_SPACES, help="what an action says"),
    Argument("delta_pivot", type=str, default="expected", choices=tuple(PIVOTS), help="what a change is counted from: where the arm was told to be (expected), where it is (ground-truth), or a quarter of the way from the latter to the former (eval)"),
    Argument("armed", type=bool, default=False, help="let it move from the first reset on, without env.arm()"),
    Argument("on_violation", type=str, default="clip", choices=("clip", "refuse"), help="what becomes of an action outside the limits"),
    Argument("safenet", type=list, default=[[0.27, -0.31, 0.02], [0.71, 0.31, 0.51]], help="corners of the box that the tip never leaves", unit="m"),
    Argument("margin", type=float, default=0.03, help="how far inside its box the tip is told to stay, and joints inside their ranges [rad]", unit="m"),
    Argument("clearance", type=float, default=0.15, help="how high above the floor of that box elbow and wrist are told to stay", unit="m"),
    Argument("max_tilt", type=float, default=0.5, help="largest angle between the hand and straight down", unit="rad"),
    Argument("max_yaw", type=float, default=1.6, help="largest turn of the hand about z", unit="rad"),
    Argument("max_speed", type=float, default=0.55, help="of the tip; it is told to go at three quarters of each speed", unit="m/s"),
    Argument("max_turn_speed", type=float, default=2.0, help="of the hand", unit="rad/s"),
    Argument("max_joint_speed", type=float, default=2.0, help="of each joint", unit="rad/s"),
    Argument("max_acceleration", type=float, default=2.0, help="with which the tip is told to change its speed", unit="m/s^2"),
    Argument("max_turn_acceleration", type=float, default=8.0, help="the same of the hand", unit="rad/s^2"),
    Argument("max_joint_acceleration", type=float, default=8.0, help="the same of each joint", unit="rad/s^2"),
    Argument("max_step", type=float, default=0.3, help="how far from where it is an action may tell the tip to go", unit="m"),
    Argument("max_turn_step", type=float, default=1.0, help="the same of the hand's angles", unit="rad"),
    Argument("max_joint_step", type=float, default=1.0, help="the same of each joint", unit="rad"),
    Argument("max_force", type=float, default=40.0, help="on the tip; from three quarters of it on the arm gives way", unit="N"),
    Argument("command_timeout", type=float, default=0.5, help="time without an action after which the arm is stopped", unit="s"),
    Argument("state_timeout", type=float, default=0.2, help="time without a new state after which it is stopped", unit="s"),
    Argument("call_timeout", type=float, default=0.5, help="time of one call to the robot after which it is stopped", unit="s"),
    Argument("home_timeout", type=float, default=20.0, help="time to come home in", unit="s"),
    Argument("command_hz", type=float, default=40.0, help="how often the arm is told where to be, on its way between actions"),
    Argument("use_gripper", type=bool, default=True, help="there is a gripper"),
    Argument("gripper_mode", type=str, default="binary", choices=MODES, help="open or grasp, or go to widths"),
    Argument("gripper_speed", type=float, default=0.1, help="of the fingers", unit="m/s"),
    Argument("gripper_force", type=float, default=60.0, help="of a grasp", unit="N"),
    Argument("tool_length", type=float, default=TOOL_LENGTH, help="from the flange to between the fingers' ends", unit="m"),
    Argument("camera", help="group of a Sensor that observes 'image'; None: none"),
    Argument("ego_camera", help="group of a Sensor that observes 'ego_image'; None: none"),
    Argument("force_sensor", help="group of a Sensor that observes 'wrist_ft'; None: none"),
]  # fmt: skip

_DOWN = "turn of the hand from straight down, about x, y, z of the base in this order"
ARM_LEAVES: list[tuple] = [
    ("ee_position", (3,), INFINITE, np.float32, "m", "tip, between the fingers' ends, frame of the base"),
    ("ee_orientation_eul", (3,), INFINITE, np.float32, "rad", _DOWN),
    ("ee_orientation", (4,), (-1, 1), np.float32, "", "quaternion (x, y, z, w) of the hand, frame of the base, w not negative"),
    ("ee_velocity", (3,), INFINITE, np.float32, "m/s"),
    ("ee_angular_velocity", (3,), INFINITE, np.float32, "rad/s"),
    ("joint_positions", (9,), INFINITE, np.float32, "", "seven of the arm [rad], two of the fingers [m]"),
    ("qdot", (7,), INFINITE, np.float32, "rad/s", "speeds of the arm's joints"),
    ("gripper_pos", (1,), (0, CLOSED), np.float32, "", "0 open, 255 closed"),
    ("gripper_width", (1,), INFINITE, np.float32, "m", "between the fingers"),
    ("gripper_tip_pos", (3,), INFINITE, np.float32, "m", "the same place as ee_position"),
    ("target/ee_position", (3,), INFINITE, np.float32, "m", "where the tip was last told to go"),
    ("target/ee_orientation_eul", (3,), INFINITE, np.float32, "rad", "how the hand was last told to turn"),
    ("target/joint_positions", (7,), INFINITE, np.float32, "rad", "where joints were last told to go; of a pose, those that are told at present"),
    ("target/gripper_pos", (1,), (0, CLOSED), np.float32, "", "what the gripper was last told: 0 open, 255 closed"),
    ("external_wrench", (6,), INFINITE, np.float32, "", "force [N] and torque [N m] on the tip from outside, as the joints feel them, frame of the base"),
    ("external_torques", (7,), INFINITE, np.float32, "N m", "on the joints, from outside"),
]  # fmt: skip
OUTPUT_LEAVES: list[tuple] = [
    ("reward", (1,), (0, 0), np.float32, "", "nobody rewards a real robot by itself"),
    ("truncated", (1,), (0, 1), bool),
    ("clipped", (1,), (0, 1), bool, "", "the action was outside the limits"),
    ("late", (1,), (0, np.inf), np.float32, "s", "how late the step was asked for; 0 in time"),
]


def read_limits(params: Mapping[str, Any], where: str) -> Limits:
    """Returns the limits that options describe.

    Raises:
        EnvError: For options that make no sense.
    """
    names = (
        "speed", "turn_speed", "joint_speed", "acceleration", "turn_acceleration", "joint_acceleration", "step", "turn_step",
        "joint_step", "force", "tilt", "yaw",
    )  # fmt: skip
    values = {name: float(params[f"max_{name}"]) for name in names}
    try:
        low, high = (np.array(corner, np.float64) for corner in params["safenet"])
    except (TypeError, ValueError) as error:
        raise EnvError(f"{where}: safenet", repr(params["safenet"]), "two corners of three numbers each [m]") from error
    limits = Limits(low, high, margin=float(params["margin"]), clearance=float(params["clearance"]), **values)
    for option, expected in check_limits(limits).items():
        raise EnvError(f"{where}: {option}", repr(params.get(option)), expected)
    return limits


def check_times(params: Mapping[str, Any], where: str) -> None:
    """Sees that what watches the arm does so.

    Raises:
        EnvError: For a time that is none, or one that would switch it off.
    """
    ranges = {
        "command_timeout": (0.0, 5.0), "state_timeout": (0.0, 2.0), "call_timeout": (0.0, 5.0), "home_timeout": (0.0, 600.0),
        "command_hz": (10.0, 1000.0),
    }  # fmt: skip
    for name, (least, most) in ranges.items():
        if not (params[name] > 0 and least <= params[name] <= most):
            raise EnvError(f"{where}: {name}", str(params[name]), f"above 0, from {least:g} to {most:g}")


def action_leaf(space: str, limits: Limits, dt: float) -> tuple:
    """Returns the leaf of the action of a space, for steps of `dt` [s]."""
    if space == "ee-euler":
        low, high = limits.told_low, limits.told_high
        meaning = f"place of the tip [m], {_DOWN} [rad]"
    elif space == "ee-euler-delta":
        high = dt * SHARE * np.repeat([limits.speed, limits.turn_speed], 3)
        low, meaning = -high, "change of that pose: place [m], turn [rad], each of at most the length of one limit"
    elif space == "joint":
        low, high, meaning = limits.joints_low, limits.joints_high, "positions of the arm's joints [rad]"
    else:
        high = np.full(7, dt * SHARE * limits.joint_speed)
        low, meaning = -high, "change of the positions of the arm's joints [rad]"
    bounds = ([*low, 0.0], [*high, CLOSED])
    return ("action", (len(low) + 1,), bounds, np.float32, "", f"{meaning}; then the gripper from 0, open, to 255, closed")


def make_group(params: Mapping[str, Any], where: str) -> AttrDict:
    """Returns the group of the spec.

    Args:
        params: Options, defaults filled in.
        where: Who asks, for messages.
    """
    observed = list(ARM_LEAVES)
    for option, name in SENSORS.items():
        group = params.get(option)
        if group is not None:
            if not is_group(group):
                raise EnvError(f"{where}: {option}", repr(group), "a group with a Sensor as its 'cls', or None")
            observed += group["cls"].get_leaves(group, name)
    if not 1 <= params["hz"] <= 100:
        raise EnvError(f"{where}: hz", str(params["hz"]), "from 1 to 100")
    action = action_leaf(params["action_space"], read_limits(params, where), 1.0 / params["hz"])
    return AttrDict(
        cls=EnvSpec,
        names_shapes_limits_dtypes=[*observed, action, *OUTPUT_LEAVES],
        observation_names=[leaf[0] for leaf in observed],
        output_observation_names=[leaf[0] for leaf in OUTPUT_LEAVES],
        action_names=["action"],
    )
