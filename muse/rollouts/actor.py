"""What acts in a rollout: a policy with its model and, where there is one, the goal policy before it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from muse.models.model import Model
from muse.policies.policy import Policy
from muse.specs import EnvSpec
from muse.utils.attrdicts import Batch, flatten
from muse.utils.torch_utils import evaluation_mode

Flat = dict[str, np.ndarray]


class Actor:
    """Shows observations and goals to the policies, in the shapes of their contract, and takes their actions.

    Args:
        env_spec: The spec of the envs.
        policy, model, goal_policy: See `RolloutLoop`.

    Attributes:
        obs: What the envs returned last, a flat dict, leaves `(B, *shape)`.
        goal: What the policy sees as the goal, a flat dict, leaves `(B, *shape)`.
    """

    def __init__(self, env_spec: EnvSpec, policy: Policy, model: Model | None, goal_policy: Policy | None) -> None:
        self.policy, self.model, self.goal_policy = policy, model, goal_policy
        self.obs: Flat = {}
        self.goal: Flat = {}
        self._names = (*env_spec.observation_names, *env_spec.param_names)
        self._rows = 0
        self._env_goal: Flat = {}
        self._made_goal: Flat = {}

    def reset(self, begins: np.ndarray, seeds: list[int | None]) -> None:
        """Tells the policies that the rows `begins` `(B,)` bool begin an episode, with one seed for each of them."""
        rows = begins
        if self._rows != len(begins):
            # The first call tells a policy how many rows there are, so it names them all, idle ones too.
            self._rows, self._made_goal = len(begins), {}
            rows, all_seeds = np.ones_like(begins), iter(seeds)
            seeds = [next(all_seeds) if begin else None for begin in begins]
        for policy in (self.policy, self.goal_policy):
            if policy is not None:
                policy.reset_policy(rows, seeds)

    def observe(self, obs: Batch, goal: Batch) -> None:
        """Takes what the envs returned, leaves `(B, *shape)`. Goals made before hold until `act` makes new ones."""
        self.obs, self._env_goal = flatten(obs), flatten(goal)
        self._seen_obs = _windows({name: self.obs[name] for name in self._names})
        self._see_goal()

    def act(self) -> Mapping[str, np.ndarray]:
        """Makes goals, then returns the policy's actions, leaves `(B, *shape)`."""
        with evaluation_mode(self.model):
            if self.goal_policy is not None:
                self._made_goal = flatten(self.goal_policy.get_action(self.model, self._seen_obs, _windows(self._env_goal)))
                self._see_goal()
            return self.policy.get_action(self.model, self._seen_obs, self._seen_goal)

    def is_terminated(self) -> np.ndarray:
        """Returns `(B,)` bool: rows whose episode a policy ends in the state that was observed last."""
        with evaluation_mode(self.model):
            ended = self.policy.is_terminated(self.model, self._seen_obs, self._seen_goal)
            if self.goal_policy is not None:
                ended = ended | self.goal_policy.is_terminated(self.model, self._seen_obs, self._seen_goal)
            return ended

    def _see_goal(self) -> None:
        self.goal = {**self._env_goal, **self._made_goal}
        self._seen_goal = _windows(self.goal)


def _windows(batch: Flat) -> Flat:
    return {name: value[:, None] for name, value in batch.items()}
