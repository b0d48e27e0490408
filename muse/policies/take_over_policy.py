"""A policy that a person takes over from, and gives back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.policy import Policy, PolicyError
from muse.policies.who_acts import who_acts_values, with_who_acts
from muse.specs import EnvSpec
from muse.utils.attrdicts import Batch, flatten, nest

#: Who acts, by `policy_type`.
POLICY, PERSON = 0, 1
NAMES = ("policy", "person")


class TakeOverPolicy(Policy):
    """Acts by a policy, or by what a person does while `is_person`. One row.

        policy.is_person, policy.person_action = True, env.get_teleop_action(given)
        loop.step()

    The policy is asked at every step, so that its memory holds what happened when it is given back. It ends the episode only while
    it acts itself. Besides the actions there are, for each step, `policy_type` (0: the policy, 1: the
    person), `policy_name` and `policy_switch` (see `muse.policies.who_acts`).

    It is made by whoever has a person at hand, not by a recipe.

    Args:
        policy: What acts otherwise; None: the person always does.
        env_spec: What `policy` was built for.

    Attributes:
        is_person: Whether the person acts.
        person_action: The person's next action, leaves `(1, *shape)`.
    """

    def __init__(self, policy: Policy | None, env_spec: EnvSpec) -> None:
        super().__init__({}, with_who_acts(env_spec, NAMES))
        self.policy = policy
        self.is_person = policy is None
        self.person_action: Mapping[str, Any] = {}
        self._names = np.array(NAMES)
        self._acted = -1

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """See `Policy.reset_policy`."""
        count = len(rows) if rows is not None else len(seeds) if seeds is not None else 1
        if count != 1:
            raise PolicyError("TakeOverPolicy.reset_policy", f"{count} rows", "one: a person has two hands")
        if self.policy is not None:
            self.policy.reset_policy(rows, seeds)
        self._acted = -1

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`.

        Raises:
            PolicyError: When a person acts and an action is missing.
        """
        made = flatten(self.policy.get_action(model, obs, goal)) if self.policy is not None else {}
        is_person = self.is_person or self.policy is None
        if is_person:
            given = flatten(self.person_action)
            for name in self.output_names:
                if name not in given:
                    raise PolicyError(
                        f"TakeOverPolicy: '{name}'", "no action of the person", "person_action, set before every step"
                    )
            made.update({name: np.asarray(given[name]) for name in self.output_names})
        acting = PERSON if is_person else POLICY
        switched, self._acted = acting != self._acted, acting
        return nest({**made, **who_acts_values(self._names, np.array([acting]), np.array([switched]))})

    def is_terminated(self, model: Model | None, obs: Batch, goal: Batch) -> np.ndarray:
        """See `Policy.is_terminated`."""
        if self.policy is None:
            return np.zeros(1, bool)
        ended = self.policy.is_terminated(model, obs, goal)
        return ended & (self._acted == POLICY)
