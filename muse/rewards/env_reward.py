"""The reward that the environment gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from muse.models.model import Model
from muse.rewards.reward import Reward, RewardError
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch


class EnvReward(Reward):
    """One number of what the step returned, scaled: `scale * next_obs[key] + offset`.

    Raises:
        RewardError: At construction, when the key is no single number among the spec's observations.
    """

    predefined_arguments = [
        Argument("key", type=str, default="reward", help="name of an output observation, or of an observation"),
        Argument("scale", type=float, default=1.0, help="factor"),
        Argument("offset", type=float, default=0.0, help="added after scaling, to every step"),
    ]

    key: str
    scale: float
    offset: float

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        leaf = env_spec.leaf(self.key)
        if leaf.role not in ("observation", "output_observation") or leaf.size != 1:
            raise RewardError(
                f"EnvReward: '{self.key}'",
                f"{leaf.role or 'no role'}, shape {leaf.shape}",
                "one number that a step returns, such as 'reward' (1,)",
            )

    def get_reward(
        self, model: Model | None, obs: Batch, goal: Batch, action: Batch, next_obs: Batch, next_goal: Batch, done: np.ndarray
    ) -> np.ndarray:
        """See `Reward.get_reward`. Uses no model."""
        value = np.asarray(next_obs[self.key], np.float32).reshape(-1, 1)
        return (self.scale * value + self.offset).astype(np.float32)
