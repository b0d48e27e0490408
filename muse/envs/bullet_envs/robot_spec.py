"""What is observed of arm and objects, and what an action is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.bullet_envs.panda import ARM_JOINTS, CLOSED, Limits
from muse.specs import EnvSpec

INFINITE = (-np.inf, np.inf)
#: Limits of the joints of the arm [rad].
JOINT_LIMITS = (
    [-2.9671, -1.8326, -2.9671, -3.1416, -2.9671, -0.0873, -2.9671],
    [2.9671, 1.8326, 2.9671, 0.0, 2.9671, 3.8223, 2.9671],
)
_DOWN = "turn of the hand from straight down, about x, y, z of the world in this order"

#: Leaves of the arm: name, shape, limits, type, unit, meaning.
ARM_LEAVES: list[tuple] = [
    ("ee_position", (3,), INFINITE, np.float32, "m", "between the fingers' ends, world frame"),
    ("ee_orientation_eul", (3,), INFINITE, np.float32, "rad", _DOWN),
    ("ee_velocity", (3,), INFINITE, np.float32, "m/s"),
    ("ee_angular_velocity", (3,), INFINITE, np.float32, "rad/s"),
    ("joint_positions", (9,), INFINITE, np.float32, "", "seven of the arm [rad], two of the fingers [m]"),
    ("gripper_pos", (1,), INFINITE, np.float32, "", "0 open, 255 closed"),
    ("gripper_tip_pos", (3,), INFINITE, np.float32, "m", "middle of the fingers' ends, world frame"),
    ("finger_left_contact", (1,), (0, 1), np.float32, "", "1 when something presses on it"),
    ("finger_right_contact", (1,), (0, 1), np.float32, "", "likewise"),
    ("wrist_ft", (6,), INFINITE, np.float32, "", "force [N] and torque [N m] between arm and hand, the hand's weight included"),
]


def object_leaves(count: int) -> tuple[list[tuple], list[tuple]]:
    """Returns the leaves of `count` objects: those observed at each step, and the params."""
    n = count
    observed = [
        ("objects/position", (n, 3), INFINITE, np.float32, "m", "centres of mass, world frame"),
        ("objects/orientation_eul", (n, 3), INFINITE, np.float32, "rad", "turns about x, y, z of the world in this order"),
        ("objects/velocity", (n, 3), INFINITE, np.float32, "m/s"),
        ("objects/angular_velocity", (n, 3), INFINITE, np.float32, "rad/s"),
        ("objects/aabb", (n, 6), INFINITE, np.float32, "m", "lowest x, y, z, then the highest"),
        ("objects/contact", (n,), (0, 1), np.float32, "", "1 when the arm presses on it"),
    ]
    params = [
        ("objects/size", (n, 3), (0, 1), np.float32, "m", "along the object's own x, y, z"),
        ("objects/mass", (n,), (0, 100), np.float32, "kg"),
    ]
    return (observed, params) if n else ([], [])


def offset_leaves(count: int, has_goals: bool) -> list[tuple]:
    """Returns the leaves of offsets: of `count` objects from the fingers, and of their goals from them."""
    leaves: list[tuple] = [("objects/offset", (count, 3), INFINITE, np.float32, "m", "from gripper_tip_pos to the object")]
    if has_goals:
        leaves.append(("goals/offset", (count, 3), INFINITE, np.float32, "m", "from the object to its goal"))
    return leaves


def action_leaf(mode: str, limits: Limits, dt: float) -> tuple:
    """Returns the leaf of the action of a control mode, for steps of `dt` [s]."""
    turns = [limits.tilt, limits.tilt, limits.yaw]
    if mode == "pose":
        low, high = [*limits.low, *(-turn for turn in turns)], [*limits.high, *turns]
        meaning = f"place between the fingers' ends [m], {_DOWN} [rad], gripper from 0, open, to 255, closed"
    elif mode == "delta_pose":
        high = [dt * limits.speed] * 3 + [dt * limits.turn_speed] * 3
        low = [-value for value in high]
        meaning = "change of the pose that was last told: place [m], turn [rad]; then the gripper from 0, open, to 255, closed"
    else:
        low, high = JOINT_LIMITS[0], JOINT_LIMITS[1]
        meaning = "positions of the arm's joints [rad], gripper from 0, open, to 255, closed"
        assert len(low) == ARM_JOINTS
    return ("action", (len(low) + 1,), ([*low, 0.0], [*high, CLOSED]), np.float32, "", meaning)


def make_group(
    params: Mapping[str, Any], task_leaves: tuple[list[tuple], list[tuple]], extra_leaves: list[tuple], limits: Limits
) -> AttrDict:
    """Returns the group of the spec of a world.

    Args:
        params: Options, defaults filled in.
        task_leaves: Observations and params of its task.
        extra_leaves: Further observations.
        limits: How the arm may move.
    """
    objects, object_params = object_leaves(params["num_blocks"])
    size = (params["img_height"], params["img_width"], 3)
    pictures = [name for name, wanted in (("image", "imgs"), ("ego_image", "ego_imgs")) if params[wanted]]
    observed = [*ARM_LEAVES, *objects, *extra_leaves, *task_leaves[0], *((name, size, (0, 255), np.uint8) for name in pictures)]
    if params["object_offsets"] and objects:
        observed += offset_leaves(params["num_blocks"], "goals/position" in (leaf[0] for leaf in task_leaves[0]))
    kept = [*object_params, *task_leaves[1]]
    return AttrDict(
        cls=EnvSpec,
        names_shapes_limits_dtypes=[
            *observed,
            *kept,
            action_leaf(params["control_mode"], limits, params["time_step"] * params["skip_n_frames_every_step"]),
            ("reward", (1,), (-np.inf, 0) if params["use_dense_reward"] else (0, 1), np.float32),
            ("truncated", (1,), (0, 1), bool),
        ],
        observation_names=[leaf[0] for leaf in observed],
        output_observation_names=["reward", "truncated"],
        action_names=["action"],
        param_names=[leaf[0] for leaf in kept],
    )
