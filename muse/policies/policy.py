"""The contract of policies. The loop that calls it (`muse.rollouts`), for `B` envs at once:

policy.reset_policy(rows, seeds)                    # rows (B,) bool: those that begin an episode
action = policy.get_action(model, obs, goal)        # obs (B, 1, *shape) -> action (B, *shape)
ended = env_done | policy.is_terminated(model, obs, goal)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.specs import EnvSpec
from muse.utils.abstract import Argument, BaseClass
from muse.utils.attrdicts import Batch, flatten, nest
from muse.utils.errors import MuseError


class PolicyError(MuseError):
    """A policy built or called against its contract."""


class Policy(BaseClass, ABC):
    """Turns `(model, obs, goal)` into an action.

    Batched: row `i` of everything belongs to env `i`. Randomness is drawn per row, from a generator made of the seed that the
    row's episode began with, so that an episode does not depend on its neighbours.

    Args:
        params: The options of the class.
        env_spec: Names, shapes, limits and roles.
        is_goal: Whether it makes goals instead of actions.
    """

    #: Whether `get_action` needs a model; a scripted policy says False, and none is built for it.
    uses_model: ClassVar[bool] = True

    predefined_arguments = [
        Argument("timeout", type=int, default=0, help="actions after which an episode is ended; 0: never", unit="steps"),
    ]

    timeout: int

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        self.params = params
        self.env_spec = env_spec
        self.is_goal = is_goal
        self.read_predefined_params(params)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names that `get_action` returns: the spec's actions, or its goals for a goal policy."""
        return self.env_spec.goal_names if self.is_goal else self.env_spec.action_names

    @abstractmethod
    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """Returns an action for every row.

        Args:
            model: The model to use; None for a policy that uses none.
            obs, goal: Leaves `(B, H, *shape)` numpy; `H = 1` for a policy that keeps its own memory.

        Returns:
            Leaves `(B, *shape)` numpy in the spec's types, in physical units, within the spec's limits.
        """

    def get_action_chunk(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """Returns the actions of this step and of those after it, as far ahead as the policy plans: here, of this step alone.

        Who takes time to ask (`muse.serving`) asks less often for more. The first of them is what `get_action` returns for the
        same observation. It counts as one action asked for; `timeout` and whatever else counts them knows of no more.

        Args:
            model, obs, goal: As in `get_action`.

        Returns:
            Leaves `(B, K, *shape)`, as those of `get_action`; `K` is always the same.
        """
        return nest({name: value[:, None] for name, value in flatten(self.get_action(model, obs, goal)).items()})

    @abstractmethod
    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """Forgets what rows know; called before their first action.

        Args:
            rows: `(B,)` bool, the rows that begin an episode; all when None. The first call after construction gives `B`.
            seeds: One seed for each true row, in order; None where nothing random is to be repeated.
        """

    def is_terminated(self, model: Model | None, obs: Batch, goal: Batch) -> np.ndarray:
        """Returns `(B,)` bool: rows whose episode the policy ends after this step."""
        first = next(iter(obs.values()))
        while isinstance(first, Mapping):
            first = next(iter(first.values()))
        return np.zeros(len(first), dtype=bool)
