"""How near a state is to its goal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from muse.models.model import Model
from muse.rewards.reward import Reward, RewardError
from muse.specs import EnvSpec
from muse.specs.leaf import GOAL_PREFIX
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, flatten, has
from muse.utils.errors import nearest

_NORMS = ("l1", "l2", "max")


class GoalDistanceReward(Reward):
    """The negative distance between states and their goals after the step; or, with `threshold`, 1 within it and 0 beyond.

        GoalDistanceReward(d(state_names=["ego"], goal_names=["target"], threshold=0.05), env_spec)

    The elements of all names together make one vector. Goals are read from the goal, else from the observation, so that an
    observed target may be one.

    Raises:
        RewardError: At construction, for names that do not pair.
    """

    predefined_arguments = [
        Argument("state_names", type=list, required=True, element_type=str, help="observations that are to reach the goals"),
        Argument("goal_names", type=list, element_type=str, help="their goals, in the same order; None: goal/<state>"),
        Argument("norm", type=str, default="l2", choices=_NORMS, help="of the difference: sum of magnitudes, Euclidean, largest"),
        Argument("threshold", type=float, help="distance within which the goal is reached; None: the reward is the distance"),
    ]

    state_names: list[str]
    goal_names: list[str] | None
    norm: str
    threshold: float | None

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        goals = [GOAL_PREFIX + name for name in self.state_names] if self.goal_names is None else self.goal_names
        if not self.state_names or len(goals) != len(self.state_names):
            raise RewardError(
                "GoalDistanceReward", f"{len(self.state_names)} states, {len(goals)} goals", "as many, and at least one"
            )
        self._pairs = list(zip(self.state_names, goals, strict=True))
        for state, goal in self._pairs:
            if env_spec.leaf(state).shape != env_spec.leaf(goal).shape:
                raise RewardError(
                    f"GoalDistanceReward: '{goal}'",
                    f"shape {env_spec.leaf(goal).shape}",
                    f"shape {env_spec.leaf(state).shape}, as '{state}' has",
                )

    def get_reward(
        self, model: Model | None, obs: Batch, goal: Batch, action: Batch, next_obs: Batch, next_goal: Batch, done: np.ndarray
    ) -> np.ndarray:
        """See `Reward.get_reward`. Uses no model."""
        rows = len(done)
        difference = np.concatenate(
            [
                (np.asarray(next_obs[state], np.float64) - _read(target, next_goal, next_obs)).reshape(rows, -1)
                for state, target in self._pairs
            ],
            axis=1,
        )
        if self.norm == "l2":
            distance = np.sqrt(np.square(difference).sum(axis=1))
        else:
            distance = np.abs(difference).sum(axis=1) if self.norm == "l1" else np.abs(difference).max(axis=1)
        value = -distance if self.threshold is None else distance <= self.threshold
        return value.astype(np.float32)[:, None]


def _read(name: str, goal: Batch, obs: Batch) -> np.ndarray:
    for batch in (goal, obs):
        if has(batch, name):
            return np.asarray(batch[name], np.float64)
    there = [*flatten(goal), *flatten(obs)]
    raise RewardError(
        f"GoalDistanceReward: '{name}'",
        f"neither goal nor observation{nearest(name, there)}",
        "a goal that the env or the goal policy gives",
    )
