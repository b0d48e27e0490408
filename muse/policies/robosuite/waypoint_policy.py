"""A hand that goes from waypoint to waypoint: what the scripted experts of robosuite's tasks have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.row_policy import RowPolicy, check_reads
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.angles import wrap
from muse.utils.attrdicts import Batch

#: What an action of 1 asks of the controller in a step: metres along, radians about each axis.
METRES, RADIANS = 0.05, 0.5
OPEN, CLOSE = -1.0, 1.0
#: How far beyond the smallest range of turns that takes hold of everything a hand may go [rad].
_TURN_MARGIN = 0.35
#: A slip turns the hand less than it moves it.
_SLIP_AXES = np.array([1, 1, 1, 0.3, 0.3, 0.3])


class Seen(NamedTuple):
    """What an expert sees of one row, world frame: hand `(3,)` [m], its quaternion `(4,)` (x, y, z, w), the gap between the
    fingers [m], and `object` `(n,)`."""

    hand: np.ndarray
    hand_quat: np.ndarray
    gap: float
    object: np.ndarray


class Waypoint(NamedTuple):
    """Where the hand goes: `(3,)` [m], its turn about the vertical [rad], the gripper, and the fastest action on the way."""

    position: np.ndarray
    yaw: float
    gripper: float
    speed: float = 1.0


@dataclass
class Progress:
    """How far a row is: its phase, and the steps in it."""

    phase: int = 0
    steps: int = 0


class WaypointPolicy(RowPolicy, ABC):
    """Moves a hand by proportional feedback to a waypoint that depends on what is seen and on the phase of the task.

    A subclass tells the waypoint and the next phase. Noise is part of the action, so what is recorded is what was done: normal
    noise in every step, and slips, in which the hand is pushed in one direction for some steps; the feedback and the phases
    recover from both. A subclass says where neither (`is_delicate`) or no slip (`may_slip`) is to disturb it.

    Reads `robot0_eef_pos`, `robot0_eef_quat`, `robot0_gripper_qpos`, `object`; writes `action` `(7,)` of OSC_POSE: position and
    orientation of the hand relative to where it is, and the gripper.
    """

    uses_model = False

    predefined_arguments = RowPolicy.predefined_arguments + [
        Argument("position_gain", type=float, default=3.0, help="action for each 0.05 m of way to go"),
        Argument("orientation_gain", type=float, default=1.5, help="action for each 0.5 rad of turn to go"),
        Argument("action_noise_std", type=float, default=0.0, help="standard deviation of noise on the six actions of the pose"),
        Argument("slip_probability", type=float, default=0.0, help="chance that a slip begins in a step"),
        Argument("slip_steps", type=int, default=5, help="length of a slip", unit="steps"),
        Argument("slip_size", type=float, default=0.5, help="largest action of a slip along each axis"),
    ]

    position_gain: float
    orientation_gain: float
    action_noise_std: float
    slip_probability: float
    slip_steps: int
    slip_size: float

    #: Numbers of `object` that the expert knows how to read.
    object_size: int

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        shapes = {
            "robot0_eef_pos": (3,), "robot0_eef_quat": (4,), "robot0_gripper_qpos": (2,), "object": (self.object_size,),
            "action": (7,),
        }  # fmt: skip
        check_reads(env_spec, shapes, type(self).__name__, "RobosuiteEnv with the expert's task")
        self._progress: list[Progress] = []
        self._slips: list[tuple[int, np.ndarray]] = []

    @abstractmethod
    def advance(self, seen: Seen, progress: Progress) -> int:
        """Returns the phase that a row is in now, given the one that it was in."""

    @abstractmethod
    def plan(self, seen: Seen, progress: Progress) -> Waypoint:
        """Returns where the hand goes in the row's phase."""

    def is_delicate(self, seen: Seen, progress: Progress) -> bool:
        """Whether the hand is where noise would spoil its work."""
        return False

    def may_slip(self, seen: Seen, progress: Progress) -> bool:
        """Whether the hand is where it can recover from a slip."""
        return True

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """See `Policy.reset_policy`."""
        begun = self.begun_rows(rows, seeds)
        super().reset_policy(rows, seeds)
        if len(self._progress) != len(begun):
            self._progress = [Progress() for _ in begun]
            self._slips = [(0, np.zeros(6))] * len(begun)
        for row in np.flatnonzero(begun):
            self._progress[row], self._slips[row] = Progress(), (0, np.zeros(6))

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model."""
        names = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos", "object")
        columns = [np.asarray(obs[name][:, -1], np.float64) for name in names]
        actions = np.zeros((self.count_rows(len(columns[0])), 7))
        for row, (hand, quat, fingers, thing) in enumerate(zip(*columns, strict=True)):
            actions[row] = self._act(row, Seen(hand, quat, float(fingers[0] - fingers[1]), thing))
        return self.finish({"action": actions})

    def _act(self, row: int, seen: Seen) -> np.ndarray:
        progress = self._progress[row]
        phase = self.advance(seen, progress)
        progress.steps = progress.steps + 1 if phase == progress.phase else 0
        progress.phase = phase
        target = self.plan(seen, progress)
        action = np.empty(7)
        action[:3] = self.position_gain * (target.position - seen.hand) / METRES
        action[3:6] = self.orientation_gain * turn_to(seen.hand_quat, pointing_down(target.yaw)) / RADIANS
        action[:6] /= max(1.0, np.abs(action[:6]).max() / target.speed)
        action[6] = target.gripper
        if not self.is_delicate(seen, progress):
            action[:6] += self._disturbance(row, self.may_slip(seen, progress))
        return np.clip(action, -1, 1)

    def _disturbance(self, row: int, may_slip: bool) -> np.ndarray:
        """Returns what is added to the pose action `(6,)`."""
        if not (self.action_noise_std or self.slip_probability):
            return np.zeros(6)
        generator = self.generator(row)
        noise = self.action_noise_std * generator.standard_normal(6)
        left, push = self._slips[row]
        if left == 0 and generator.random() < self.slip_probability:
            left, push = self.slip_steps, self.slip_size * generator.uniform(-1, 1, 6) * _SLIP_AXES
        self._slips[row] = (max(left - 1, 0), push)
        return noise + push if left > 0 and may_slip else noise


def pointing_down(yaw: float) -> np.ndarray:
    """Returns the quaternion (x, y, z, w) of a hand that points down, turned about the vertical; at 0 its fingers open along y."""
    return np.array([np.cos(yaw / 2), np.sin(yaw / 2), 0.0, 0.0])


def yaw_of_hand(quat: np.ndarray) -> float:
    """Returns the turn about the vertical of a hand that points down, in [-pi, pi)."""
    return float(wrap(2 * np.arctan2(quat[1], quat[0])))


def yaw_of(quat: np.ndarray) -> float:
    """Returns the turn about the vertical of a body that lies flat, in [-pi, pi)."""
    x, y, z, w = quat
    return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))


def reachable_turn(yaw: float, symmetry: float, now: float) -> float:
    """Returns an angle among `yaw` plus the multiples of `symmetry`: the one nearest to `now` that the hand can be turned to.

    Nearest to where the hand is, not to its rest: once it has begun to turn to one side, that side stays the right one, and who
    learns from it need not decide anew in every step.
    """
    limit = symmetry / 2 + _TURN_MARGIN
    turn = now + float(wrap(yaw - now, symmetry))
    return turn - np.sign(turn) * symmetry if abs(turn) > limit else turn


def turn_to(now: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns the rotation vector `(3,)` [rad], world frame, that takes orientation `now` to `target`, both (x, y, z, w)."""
    v, w = -now[:3], now[3]
    vector = target[3] * v + w * target[:3] + np.cross(target[:3], v)
    scalar = target[3] * w - target[:3] @ v
    if scalar < 0:
        vector, scalar = -vector, -scalar
    length = np.linalg.norm(vector)
    return 2 * np.arctan2(length, scalar) * vector / length if length > 1e-9 else np.zeros(3)
