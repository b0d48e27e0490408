"""Policies that make goals instead of actions: nothing, always the same, or where a recorded episode ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.policy import PolicyError
from muse.policies.replay_policy import read_columns
from muse.policies.row_policy import RowPolicy
from muse.specs import EnvSpec, Episode, Leaf
from muse.specs.leaf import GOAL_PREFIX
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, flatten, has
from muse.utils.errors import nearest


class ConstantGoalPolicy(RowPolicy):
    """Gives every row the same goal at every step; goals that it is not told stay those of the env.

        ConstantGoalPolicy(d(goal=d(goal=d(position=[0.5, 0.5]))), env_spec, is_goal=True)

    Without an option it is the empty goal policy: all goals are the env's own.
    """

    uses_model = False

    predefined_arguments = [
        *RowPolicy.predefined_arguments,
        Argument("goal", help="values by name, shaped as the spec says, without batch dimension; None: those of the env"),
    ]

    goal: Any

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = True) -> None:
        super().__init__(params, env_spec, is_goal)
        if not is_goal:
            raise PolicyError("ConstantGoalPolicy", "used for actions", "the group 'goal_policy', or is_goal=True")
        self._values = {}
        for name, value in flatten(self.goal or {}).items():
            if name not in self.output_names:
                raise PolicyError(
                    f"ConstantGoalPolicy: '{name}'", f"no goal of the spec{nearest(name, self.output_names)}",
                    "one of " + (", ".join(self.output_names) or "none"),
                )  # fmt: skip
            array = np.asarray(value)
            env_spec.check({name: array}, [name], (), "ConstantGoalPolicy")
            self._values[name] = array

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """Returns the goal of every row. Uses no model."""
        return _same_for_all(self, self._values, obs, goal)


class EpisodeGoalPolicy(RowPolicy):
    """Gives every row the last state of a recorded `Episode` for a goal: `goal/ego` is the `ego` of its last row.

        EpisodeGoalPolicy(d(episode=episode), env_spec, is_goal=True)

    Made are the spec's goals called `goal/<name of an observation>`, or those that `goal_names` lists; the others stay those of
    the env. The last row of an episode holds the observation before its last action.
    """

    uses_model = False

    predefined_arguments = [
        *RowPolicy.predefined_arguments,
        Argument("episode", help="the Episode whose last state is the goal", required=True),
        Argument("goal_names", type=list, element_type=str, help="goals to make; None: every goal/<name> of an observation"),
    ]

    episode: Episode
    goal_names: list[str] | None

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = True) -> None:
        super().__init__(params, env_spec, is_goal)
        if not is_goal:
            raise PolicyError("EpisodeGoalPolicy", "used for actions", "the group 'goal_policy', or is_goal=True")
        names = self.goal_names
        if names is None:
            names = [name for name in self.output_names if _is_state(name, env_spec)]
        if not names:
            raise PolicyError(
                "EpisodeGoalPolicy", f"no goal to make of {', '.join(self.output_names) or 'none'}", "goals called goal/<observation>",
            )  # fmt: skip
        for name in names:
            if name not in self.output_names or not _is_state(name, env_spec):
                raise PolicyError(
                    f"EpisodeGoalPolicy: '{name}'", "no goal of the spec named after an observation",
                    "'goal/<name>' of one of " + ", ".join(env_spec.observation_names),
                )  # fmt: skip
        states = tuple(name.removeprefix(GOAL_PREFIX) for name in names)
        columns = read_columns(self.episode, states, env_spec, "EpisodeGoalPolicy")
        self._values = {GOAL_PREFIX + state: columns[state][-1] for state in states}

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """Returns the goal of every row. Uses no model."""
        return _same_for_all(self, self._values, obs, goal)


def _is_state(name: str, env_spec: EnvSpec) -> bool:
    state = name.removeprefix(GOAL_PREFIX)
    return (
        name.startswith(GOAL_PREFIX) and state in env_spec.observation_names and _alike(env_spec.leaf(name), env_spec.leaf(state))
    )


def _alike(one: Leaf, other: Leaf) -> bool:
    return (one.shape, one.dtype) == (other.shape, other.dtype)


def _same_for_all(policy: RowPolicy, values: Mapping[str, np.ndarray], obs: Batch, goal: Batch) -> AttrDict:
    rows = policy.count_rows_of(obs)
    missing = [name for name in policy.output_names if name not in values and not has(goal, name)]
    if missing:
        raise PolicyError(
            f"{type(policy).__name__}: '{missing[0]}'", "the env gives no such goal", "a value for it, or an env that gives it"
        )
    return policy.finish({name: np.broadcast_to(value, (rows, *value.shape)) for name, value in values.items()}, goal)
