"""The actions of a recorded episode, once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.policy import PolicyError
from muse.policies.row_policy import RowPolicy
from muse.specs import EnvSpec, Episode
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, flatten, has
from muse.utils.errors import nearest


class ReplayPolicy(RowPolicy):
    """Repeats the actions of an `Episode` in every row, open loop, and ends the episode after the last one.

        episode = dataset.to_episode(3)
        rollout(env, ReplayPolicy(d(episode=episode), env.env_spec), seed=episode.seed)

    A goal policy repeats the episode's goals instead. A row that is asked for more gets the last action again.

    Raises:
        PolicyError: At construction, without an episode, or for one that lacks an action or has another shape.
    """

    uses_model = False

    predefined_arguments = [
        *RowPolicy.predefined_arguments,
        Argument("episode", help="the Episode whose actions are repeated", required=True),
    ]

    episode: Episode

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        self._columns = read_columns(self.episode, self.output_names, env_spec, "ReplayPolicy")

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model."""
        at = np.minimum(self.steps, len(self.episode) - 1)
        self.count_rows_of(obs)
        return self.finish({name: column[at] for name, column in self._columns.items()})

    def is_terminated(self, model: Model | None, obs: Batch, goal: Batch) -> np.ndarray:
        """Returns `(B,)` bool: rows that have taken the last action, or `timeout` of them."""
        return super().is_terminated(model, obs, goal) | (self.steps >= len(self.episode))


def read_columns(episode: Any, names: tuple[str, ...], env_spec: EnvSpec, where: str) -> dict[str, np.ndarray]:
    """Returns `names` of an episode's inputs, leaves `(T, *shape)`.

    Raises:
        PolicyError: For what is no episode, or lacks a name.
        SpecError: For a name of another shape than the spec says.
    """
    if not isinstance(episode, Episode):
        raise PolicyError(f"{where}: option 'episode'", type(episode).__name__, "a muse.specs.Episode")
    for name in names:
        if not has(episode.inputs, name):
            there = flatten(episode.inputs)
            raise PolicyError(
                f"{where}: '{name}'", f"not in the episode{nearest(name, there)}", "one of " + (", ".join(there) or "none")
            )
    env_spec.check(episode.inputs, names, (len(episode),), where)
    return {name: np.array(episode.inputs[name]) for name in names}
