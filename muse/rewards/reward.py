"""The contract of rewards. The loop that calls it (`muse.rollouts`), for `B` envs at once:

reward.reset_reward(rows)                                       # rows (B,) bool: those that begin an episode
action = policy.get_action(model, obs, goal)
next_obs, next_goal, done = env.step(action)
value = reward.get_reward(model, obs, goal, action, next_obs, next_goal, done)    # (B, 1) float32
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from muse.models.model import Model
from muse.specs import EnvSpec
from muse.utils.abstract import BaseClass
from muse.utils.attrdicts import Batch
from muse.utils.errors import MuseError


class RewardError(MuseError):
    """A reward built or called against its contract."""


class Reward(BaseClass, ABC):
    """Computes the reward of a step. Batched: row `i` of everything belongs to env `i`, and knows nothing of its neighbours.

    Args:
        params: The options of the class.
        env_spec: Names, shapes, limits and roles.
    """

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        self.params = params
        self.env_spec = env_spec
        self.read_predefined_params(params)

    @abstractmethod
    def get_reward(
        self, model: Model | None, obs: Batch, goal: Batch, action: Batch, next_obs: Batch, next_goal: Batch, done: np.ndarray
    ) -> np.ndarray:
        """Returns the reward of a step, `(B, 1)` float32.

        Args:
            model: The model that acted; None where there is none.
            obs, goal, action: What the step began with, leaves `(B, *shape)` numpy.
            next_obs, next_goal: What the step returned, output observations included, leaves `(B, *shape)`.
            done: `(B,)` bool.
        """

    def reset_reward(self, rows: np.ndarray | None = None) -> None:
        """Forgets what rows know; called before their first step.

        Args:
            rows: `(B,)` bool, the rows that begin an episode; all when None.
        """
