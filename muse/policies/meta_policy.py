"""One policy out of several: skills one after another, as in play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.policy import Policy, PolicyError
from muse.policies.row_policy import RowPolicy
from muse.policies.who_acts import who_acts_leaves, who_acts_values
from muse.specs import EnvSpec, Leaf
from muse.utils.abstract import Argument, build, is_group
from muse.utils.attrdicts import Batch, flatten


class MetaPolicy(RowPolicy):
    """Acts by one of its skills at a time, in one long episode: what is called play data.

        d(cls=MetaPolicy, policies=["push", "carry"], push=d(cls=PushBlockExpert, ...), carry=d(cls=CarryBlockExpert, ...))

    A skill is a policy, a group under the name that `policies` lists it by. Each row has its own: it goes on until it says that it is
    over (`is_terminated`) or was at it for `max_steps_per_policy`; then the next one is drawn, and begins as it would begin an episode,
    with a seed drawn by the row's generator. So what a row does depends on its seed and on what it sees alone.

    Besides the actions it writes, and a collection of its episodes holds, for each step

    - `policy_type` `(1,)` int64: place of the skill in `policies`;
    - `policy_name` `(1,)`: its name, a text of the length of the longest (never pickled);
    - `policy_switch` `(1,)` bool: whether the skill begins with this step, the first of the episode included.

    The end of a skill does not end the episode.
    """

    uses_model = False

    predefined_arguments = RowPolicy.predefined_arguments + [
        Argument("policies", type=list, element_type=str, default=[], help="names of the skills, each a group of its name"),
        Argument("max_steps_per_policy", type=int, default=0, help="actions after which a skill is ended; 0: never", unit="steps"),
        Argument(
            "choose_fn",
            help="fn(obs, goal, previous, generator) -> name of the next skill; obs and goal are flat dicts of one row, previous is "
            "a name or None; None: each skill alike",
        ),
    ]  # fmt: skip

    policies: list[str]
    max_steps_per_policy: int
    choose_fn: Any

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        leaves = [] if is_goal else self.get_spec_leaves(params, env_spec)
        super().__init__(params, env_spec.extended(leaves), is_goal)
        if is_goal:
            raise PolicyError("MetaPolicy", "used for goals", "the group 'policy'")
        if self.max_steps_per_policy < 0:
            raise PolicyError(
                "MetaPolicy: option 'max_steps_per_policy'", str(self.max_steps_per_policy), "steps, or 0 for never"
            )
        #: The skills, in the order of `policies`.
        self.skills = [self._build(name) for name in self.policies]
        self._names = np.array(self.policies)
        # Place of each row's skill, -1 before its first action, and actions since it began.
        self._skill = np.zeros(0, np.int64)
        self._skill_steps = np.zeros(0, np.int64)

    @classmethod
    def get_spec_leaves(cls, params: Mapping[str, Any], env_spec: EnvSpec) -> list[Leaf]:
        """Returns the leaves of what it writes besides actions.

        Raises:
            PolicyError: Without skills, or with one listed twice.
        """
        names = list(params.get("policies") or [])
        if not names or len(set(names)) < len(names):
            raise PolicyError(
                "MetaPolicy: option 'policies'", repr(names), "names of skills, each once", "policies=['push', 'carry']"
            )
        return who_acts_leaves(names)

    def _build(self, name: str) -> Policy:
        group = self.params.get(name)
        if not is_group(group):
            raise PolicyError("MetaPolicy: option 'policies'", f"no group '{name}'", f"{name}=d(cls=...)")
        skill: Policy = build(group, self.env_spec, where=name)
        if skill.uses_model:
            hint = "scripted policies; a model is handed to none of them"
            raise PolicyError(
                f"MetaPolicy: skill '{name}'", f"a {type(skill).__name__}, which needs a model", "a policy without one", hint
            )
        return skill

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """See `Policy.reset_policy`."""
        begun = self.begun_rows(rows, seeds)
        super().reset_policy(rows, seeds)
        if len(self._skill) != len(begun):
            self._skill, self._skill_steps = np.zeros(len(begun), np.int64), np.zeros(len(begun), np.int64)
            for skill in self.skills:
                skill.reset_policy(np.ones(len(begun), dtype=bool), [None] * len(begun))
        self._skill[begun] = -1

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model."""
        self.count_rows_of(obs)
        switches = self._find_ended(obs, goal)
        self._begin_skills(switches, obs, goal)
        self._skill_steps += 1
        values: dict[str, np.ndarray] = {}
        for index in np.unique(self._skill):
            # The whole batch, for a policy's rows are numbered: what it does for those of others is left aside.
            action = flatten(self.skills[index].get_action(None, obs, goal))
            mine = self._skill == index
            for name in self.output_names:
                values.setdefault(name, np.empty_like(action[name]))[mine] = action[name][mine]
        return self.finish({**values, **who_acts_values(self._names, self._skill, switches)})

    def _find_ended(self, obs: Batch, goal: Batch) -> np.ndarray:
        """Returns rows `(B,)` bool that have no skill, or whose skill is over."""
        ended = self._skill < 0
        if self.max_steps_per_policy:
            ended |= self._skill_steps >= self.max_steps_per_policy
        for index in np.unique(self._skill[~ended]):
            ended |= (self._skill == index) & self.skills[index].is_terminated(None, obs, goal)
        return ended

    def _begin_skills(self, rows: np.ndarray, obs: Batch, goal: Batch) -> None:
        """Draws a skill for each of `rows` `(B,)` bool and begins it."""
        seeds = {}
        for row in np.flatnonzero(rows).tolist():
            self._skill[row] = self._choose(row, obs, goal)
            seeds[row] = int(self.generator(row).integers(2**31))
        self._skill_steps[rows] = 0
        for index in np.unique(self._skill[rows]):
            begun = rows & (self._skill == index)
            self.skills[index].reset_policy(begun, [seeds[row] for row in np.flatnonzero(begun).tolist()])

    def _choose(self, row: int, obs: Batch, goal: Batch) -> int:
        generator = self.generator(row)
        if self.choose_fn is None:
            return int(generator.integers(len(self.skills)))
        seen, aim = ({name: np.array(value[row, -1]) for name, value in flatten(batch).items()} for batch in (obs, goal))
        name = self.choose_fn(seen, aim, None if self._skill[row] < 0 else self.policies[self._skill[row]], generator)
        if name not in self.policies:
            raise PolicyError("MetaPolicy: choose_fn", f"it returned {name!r}", "one of " + ", ".join(self.policies))
        return self.policies.index(name)
