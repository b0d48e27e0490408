"""What a person showed by hand, done by the robot itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.policy import PolicyError
from muse.policies.replay_policy import read_columns
from muse.policies.row_policy import RowPolicy, check_reads
from muse.specs import EnvSpec, Episode
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch

#: Part of the way from where the arm is to where it was last told to be, from which an env counts a change.
_PIVOTS = {"expected": 1.0, "eval": 0.25, "ground-truth": 0.0}
#: By the kind of an action: what it says, and what says where the arm was told to be.
_NAMES = {
    "ee-euler": (("ee_position", "ee_orientation_eul"), ("target/ee_position", "target/ee_orientation_eul")),
    "joint": (("joint_positions",), ("target/joint_positions",)),
}
#: What the gripper was told while a person led the arm, from 0, open, to 255, closed.
GRIP = "target/gripper_pos"


class KinestheticReplayPolicy(RowPolicy):
    """Leads an arm along a demonstration that a person gave by hand, and ends the episode at its end.

        policy = KinestheticReplayPolicy(d(episode=demonstration, action_space="ee-euler-delta"), env.env_spec)
        episode = rollout(env, policy, preset=dict(joint_positions=demonstration.inputs["joint_positions"][0]))

    Its actions are those of `PolymetisPandaEnv`, in the `action_space` and with the `delta_pivot` of that env. Changes lead from where
    the arm is told to be to where it was shown, so that what an action could not do is made up for by the next ones.

    Raises:
        PolicyError: At construction, for a demonstration without what is to be shown, or an env of another kind.
    """

    uses_model = False

    predefined_arguments = [
        *RowPolicy.predefined_arguments,
        Argument("episode", help="the Episode that was shown, with what the gripper was told", required=True),
        Argument(
            "action_space", type=str, default="ee-euler-delta", choices=("joint", "joint-delta", "ee-euler", "ee-euler-delta"),
            help="what an action says; that of the env",
        ),
        Argument("delta_pivot", type=str, default="expected", choices=tuple(_PIVOTS), help="what a change is counted from; that of the env"),
        Argument("settle_steps", type=int, default=5, help="steps at its end, for the arm to arrive"),
    ]  # fmt: skip

    episode: Episode
    action_space: str
    delta_pivot: str
    settle_steps: int

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        where = type(self).__name__
        kind = self.action_space.removesuffix("-delta")
        self._seen, self._told = _NAMES[kind]
        count = 7 if kind == "joint" else 6
        wanted: dict[str, tuple[int, ...] | None] = {"action": (count + 1,), **dict.fromkeys((*self._seen, *self._told))}
        check_reads(env_spec, wanted, where, "muse.envs.polymetis.PolymetisPandaEnv of the same action_space")
        if self.settle_steps < 0:
            raise PolicyError(f"{where}: option 'settle_steps'", str(self.settle_steps), "at least 0")
        shown = read_columns(self.episode, (*self._seen, GRIP), env_spec, where)
        self._grip = shown[GRIP].astype(np.float64)
        self._shown = np.concatenate([shown[name] for name in self._seen], -1)[:, :count].astype(np.float64)
        self._count = count
        leaf = env_spec.leaf("action")
        self._longest = np.asarray(leaf.high, np.float64)[:count]

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model."""
        at = np.minimum(self.steps + 1, len(self._shown) - 1)
        self.count_rows_of(obs)
        target = self._shown[at]
        if self.action_space.endswith("delta"):
            target = self._shortened(target - self._pivot(obs))
        return self.finish({"action": np.concatenate([target, self._grip[at]], -1)})

    def is_terminated(self, model: Model | None, obs: Batch, goal: Batch) -> np.ndarray:
        """Returns `(B,)` bool: rows at the end of the demonstration, or after `timeout` steps."""
        return super().is_terminated(model, obs, goal) | (self.steps >= len(self._shown) - 1 + self.settle_steps)

    def _pivot(self, obs: Batch) -> np.ndarray:
        """Returns what changes are counted from `(B, n)`."""
        told, seen = (
            np.concatenate([obs[name][:, -1] for name in names], -1)[:, : self._count].astype(np.float64)
            for names in (self._told, self._seen)
        )
        return seen + _PIVOTS[self.delta_pivot] * (told - seen)

    def _shortened(self, change: np.ndarray) -> np.ndarray:
        """Returns changes `(B, n)` that one action can make, in the same direction."""
        if self._count == 7:
            return change * np.minimum(1.0, self._longest / np.maximum(np.abs(change), 1e-12)).min(-1, keepdims=True)
        change[:, 3:] = (change[:, 3:] + np.pi) % (2 * np.pi) - np.pi
        for part, longest in ((slice(0, 3), self._longest[0]), (slice(3, 6), self._longest[3])):
            length = np.linalg.norm(change[:, part], axis=-1, keepdims=True)
            change[:, part] *= np.minimum(1.0, longest / np.maximum(length, 1e-12))
        return change
