"""A hand that goes from waypoint to waypoint, whatever arm moves it: what scripted experts of arms have in common.

An arm says how it is seen and how it is moved (a subclass of `WaypointPolicy`: `see`, `to_action`); an expert says where the hand goes
(`advance`, `plan`, or the legs of `muse.policies.legs`). No simulator is needed for any of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.row_policy import RowPolicy
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.angles import wrap
from muse.utils.attrdicts import Batch

#: How far beyond the smallest range of turns that takes hold of everything a hand may go [rad].
_TURN_MARGIN = 0.35
#: A slip turns the hand less than it moves it.
_SLIP_AXES = np.array([1, 1, 1, 0.3, 0.3, 0.3])


class Hand(Protocol):
    """What an arm sees of one row: at least its hand, world frame. Its own class has the things around it too."""

    @property
    def hand(self) -> np.ndarray:
        """Where the hand is, `(3,)` [m]."""

    @property
    def hand_quat(self) -> np.ndarray:
        """How the hand is turned, quaternion `(4,)` (x, y, z, w); its z axis comes out between the fingers, which open along y."""


class Waypoint(NamedTuple):
    """Where the hand goes, world frame.

    Attributes:
        position: `(3,)` [m].
        yaw: Turn about the vertical [rad]; at 0 the fingers of a hand that points down open along y.
        gripper: What the arm's `to_action` takes for it.
        speed: The fastest motion on the way, as a fraction of what the arm can do.
        tilt: Turn of the hand about the axis along which its fingers open, before the yaw [rad]: 0 points down, pi / 2 along x.
    """

    position: np.ndarray
    yaw: float
    gripper: float
    speed: float = 1.0
    tilt: float = 0.0


@dataclass
class Progress:
    """How far a row is.

    Attributes:
        phase: What it is at.
        steps: Steps in the phase.
        since: What was seen when the phase began; None before the first step.
    """

    phase: int = 0
    steps: int = 0
    since: Any = None


class WaypointPolicy(RowPolicy, ABC):
    """Moves a hand by proportional feedback to a waypoint that depends on what is seen and on the phase of the task.

    A subclass tells the waypoint and the next phase. Noise is part of the action, so what is recorded is what was done: normal
    noise in every step, and slips, in which the hand is pushed in one direction for some steps; the feedback and the phases
    recover from both. A subclass says where neither (`is_delicate`) or no slip (`may_slip`) is to disturb it.

    Writes `action`.
    """

    uses_model = False

    predefined_arguments = RowPolicy.predefined_arguments + [
        Argument("position_gain", type=float, default=3.0, help="motion for each fastest step of way to go"),
        Argument("orientation_gain", type=float, default=1.5, help="motion for each fastest step of turn to go"),
        Argument("action_noise_std", type=float, default=0.0, help="standard deviation of noise on the six motions of the pose"),
        Argument("slip_probability", type=float, default=0.0, help="chance that a slip begins in a step"),
        Argument("slip_steps", type=int, default=5, help="length of a slip", unit="steps"),
        Argument("slip_size", type=float, default=0.5, help="largest motion of a slip along each axis"),
    ]

    position_gain: float
    orientation_gain: float
    action_noise_std: float
    slip_probability: float
    slip_steps: int
    slip_size: float

    #: Observations and params that `see` is given.
    reads: ClassVar[tuple[str, ...]]
    #: The fastest step of the arm, a motion of 1: metres along, radians about each axis.
    metres: ClassVar[float]
    radians: ClassVar[float]

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        #: How far each row is.
        self.progress: list[Progress] = []
        self._slips: list[tuple[int, np.ndarray]] = []

    @abstractmethod
    def see(self, values: Mapping[str, np.ndarray]) -> Any:
        """Returns what is seen of one row, a `Hand`.

        Args:
            values: What `reads` names, leaves `(*shape)` float64.
        """

    @abstractmethod
    def to_action(self, seen: Any, motion: np.ndarray, gripper: float) -> np.ndarray:
        """Returns the action.

        Args:
            seen: What `see` returned.
            motion: Way along and turn about each axis `(6,)`, world frame, in fastest steps, each within [-1, 1].
            gripper: That of the waypoint.
        """

    @abstractmethod
    def advance(self, seen: Any, progress: Progress) -> int:
        """Returns the phase that a row is in now, given the one that it was in."""

    @abstractmethod
    def plan(self, seen: Any, progress: Progress) -> Waypoint:
        """Returns where the hand goes in the row's phase."""

    def is_delicate(self, seen: Any, progress: Progress) -> bool:
        """Whether the hand is where noise would spoil its work."""
        return False

    def may_slip(self, seen: Any, progress: Progress) -> bool:
        """Whether the hand is where it can recover from a slip."""
        return True

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """See `Policy.reset_policy`."""
        begun = self.begun_rows(rows, seeds)
        super().reset_policy(rows, seeds)
        if len(self.progress) != len(begun):
            self.progress = [Progress() for _ in begun]
            self._slips = [(0, np.zeros(6))] * len(begun)
        for row in np.flatnonzero(begun):
            self.progress[row], self._slips[row] = Progress(), (0, np.zeros(6))

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model."""
        rows = self.see_rows(obs)
        self.count_rows(len(rows))
        return self.finish({"action": np.stack([self._act(row, seen) for row, seen in enumerate(rows)])})

    def see_rows(self, obs: Batch) -> list[Any]:
        """Returns what is seen of each of `B` rows, from an observation as `get_action` takes it."""
        columns = {name: np.asarray(obs[name][:, -1], np.float64) for name in self.reads}
        return [self.see({name: value[row] for name, value in columns.items()}) for row in range(len(columns[self.reads[0]]))]

    def _act(self, row: int, seen: Any) -> np.ndarray:
        progress = self.progress[row]
        phase = self.advance(seen, progress)
        if phase != progress.phase or progress.since is None:
            progress.since = seen
        progress.steps = progress.steps + 1 if phase == progress.phase else 0
        progress.phase = phase
        target = self.plan(seen, progress)
        motion = np.empty(6)
        motion[:3] = self.position_gain * (target.position - seen.hand) / self.metres
        motion[3:] = self.orientation_gain * turn_to(seen.hand_quat, orientation_of(target)) / self.radians
        motion /= max(1.0, np.abs(motion).max() / target.speed)
        if not self.is_delicate(seen, progress):
            motion += self._disturbance(row, self.may_slip(seen, progress))
        return self.to_action(seen, np.clip(motion, -1, 1), target.gripper)

    def _disturbance(self, row: int, may_slip: bool) -> np.ndarray:
        """Returns what is added to the motion `(6,)`."""
        if not (self.action_noise_std or self.slip_probability):
            return np.zeros(6)
        generator = self.generator(row)
        noise = self.action_noise_std * generator.standard_normal(6)
        left, push = self._slips[row]
        if left == 0 and generator.random() < self.slip_probability:
            left, push = self.slip_steps, self.slip_size * generator.uniform(-1, 1, 6) * _SLIP_AXES
        self._slips[row] = (max(left - 1, 0), push)
        return noise + push if left > 0 and may_slip else noise


def orientation_of(waypoint: Waypoint) -> np.ndarray:
    """Returns the quaternion (x, y, z, w) of the hand at a waypoint."""
    down = pointing_down(waypoint.yaw)
    if not waypoint.tilt:
        return down
    half = waypoint.tilt / 2
    return multiply(down, np.array([0.0, np.sin(half), 0.0, np.cos(half)]))


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


def multiply(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns the quaternion of `other` followed by `one`, in the frame of the world; all (x, y, z, w)."""
    vector = one[3] * other[:3] + other[3] * one[:3] + np.cross(one[:3], other[:3])
    return np.array([*vector, one[3] * other[3] - one[:3] @ other[:3]])


def rotated(quat: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Returns a vector `(3,)` of a body's frame in the world's, for a body of orientation `quat` (x, y, z, w)."""
    aside = 2 * np.cross(quat[:3], vector)
    return vector + quat[3] * aside + np.cross(quat[:3], aside)
