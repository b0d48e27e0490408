"""Which of several policies acts: what is written down of each step, beside its action."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from muse.specs import EnvSpec, Leaf

_NAMES = ("policy_type", "policy_name", "policy_switch")


def who_acts_leaves(names: Sequence[str]) -> list[Leaf]:
    """Returns the leaves `policy_type`, `policy_name` and `policy_switch`, without a role, for policies of these names."""
    return [
        Leaf("policy_type", (1,), 0, len(names) - 1, np.dtype(np.int64), description="place of the policy among those that act"),
        Leaf("policy_name", (1,), -np.inf, np.inf, np.array(names).dtype, description="name of the policy that acts"),
        Leaf("policy_switch", (1,), 0, 1, np.dtype(bool), description="whether another policy begins to act"),
    ]


def who_acts_values(names: np.ndarray, acting: np.ndarray, switches: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the values of these leaves, `(B, 1)` each.

    Args:
        names: Of the policies, an array of text.
        acting: `(B,)` int64, the place in `names` of the one that acts.
        switches: `(B,)` bool, whether it begins with this step.
    """
    return {
        "policy_type": acting[:, None].copy(),
        "policy_name": names[acting][:, None],
        "policy_switch": switches[:, None].copy(),
    }


def with_who_acts(spec: EnvSpec, names: Sequence[str]) -> EnvSpec:
    """Returns `spec` with these leaves, in the place of those that it may have."""
    kept = EnvSpec.from_leaves(spec.leaf(name) for name in spec.all_names if name not in _NAMES)
    return kept.extended(who_acts_leaves(names))
