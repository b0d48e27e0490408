"""The arm of robosuite's tasks, as `muse.policies.waypoints` moves it."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from muse.policies.row_policy import check_reads
from muse.policies.waypoints import WaypointPolicy
from muse.specs import EnvSpec

OPEN, CLOSE = -1.0, 1.0


class Seen(NamedTuple):
    """What an expert sees of one row, world frame: hand `(3,)` [m], its quaternion `(4,)` (x, y, z, w), the gap between the
    fingers [m], and `object` `(n,)`."""

    hand: np.ndarray
    hand_quat: np.ndarray
    gap: float
    object: np.ndarray


class RobosuiteWaypointPolicy(WaypointPolicy, ABC):
    """Moves robosuite's hand from waypoint to waypoint.

    Reads `robot0_eef_pos`, `robot0_eef_quat`, `robot0_gripper_qpos`, `object`; writes `action` `(7,)` of OSC_POSE: position and
    orientation of the hand relative to where it is, and the gripper.
    """

    reads = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos", "object")
    metres, radians = 0.05, 0.5

    #: Numbers of `object` that the expert knows how to read.
    object_size: int

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        shapes = {**dict(zip(self.reads, ((3,), (4,), (2,), (self.object_size,)), strict=True)), "action": (7,)}
        check_reads(env_spec, shapes, type(self).__name__, "RobosuiteEnv with the expert's task")

    def see(self, values: Mapping[str, np.ndarray]) -> Seen:
        """See `WaypointPolicy.see`."""
        hand, quat, fingers, thing = (values[name] for name in self.reads)
        return Seen(hand, quat, float(fingers[0] - fingers[1]), thing)

    def to_action(self, seen: Seen, motion: np.ndarray, gripper: float) -> np.ndarray:
        """See `WaypointPolicy.to_action`."""
        return np.append(motion, gripper)
