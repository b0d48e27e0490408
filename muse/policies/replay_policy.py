"""The actions of recorded episodes, once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Repeats the actions of an `Episode`, open loop, and ends the episode after the last one.

        episode = dataset.to_episode(3)
        rollout(env, ReplayPolicy(d(episode=episode), env.env_spec), seed=episode.seed)

    Of several episodes, a row repeats the one with the seed that it begins with. A goal policy repeats the episode's goals
    instead. A row that is asked for more gets the last action again.

    Raises:
        PolicyError: At construction, without an episode, or for one that lacks an action or has another shape; at a reset with a
            seed that none of several has.
    """

    uses_model = False

    predefined_arguments = [
        *RowPolicy.predefined_arguments,
        Argument("episode", help="the Episode whose actions are repeated, or a list of them", required=True),
    ]

    episode: Episode | Sequence[Episode]

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        self._episodes = list(self.episode) if isinstance(self.episode, (list, tuple)) else [self.episode]
        if not self._episodes:
            raise PolicyError("ReplayPolicy: option 'episode'", "an empty list", "at least one muse.specs.Episode")
        self._columns = [read_columns(episode, self.output_names, env_spec, "ReplayPolicy") for episode in self._episodes]
        self._lengths = np.array([len(episode) for episode in self._episodes])
        self._by_seed = {episode.seed: i for i, episode in enumerate(self._episodes)}
        #: Which episode each row repeats, `(B,)` int64.
        self._chosen = np.zeros(0, np.int64)

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """See `Policy.reset_policy`."""
        begun = self.begun_rows(rows, seeds)
        super().reset_policy(rows, seeds)
        if len(self._chosen) != len(begun):
            self._chosen = np.zeros(len(begun), np.int64)
        for row, seed in zip(np.flatnonzero(begun), seeds or (), strict=bool(seeds)):
            # A row that stays idle begins without a seed.
            if len(self._episodes) > 1 and seed is not None:
                if seed not in self._by_seed:
                    raise PolicyError("ReplayPolicy.reset_policy", f"seed {seed}", "the seed of one of the episodes")
                self._chosen[row] = self._by_seed[seed]

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model."""
        at = np.minimum(self.steps, self._lengths[self._chosen] - 1)
        self.count_rows_of(obs)
        rows = list(zip(self._chosen, at, strict=True))
        return self.finish({name: np.stack([self._columns[i][name][t] for i, t in rows]) for name in self.output_names})

    def is_terminated(self, model: Model | None, obs: Batch, goal: Batch) -> np.ndarray:
        """Returns `(B,)` bool: rows that have taken the last action, or `timeout` of them."""
        return super().is_terminated(model, obs, goal) | (self.steps >= self._lengths[self._chosen])


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
