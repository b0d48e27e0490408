"""Uniformly random actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.policy import PolicyError
from muse.policies.row_policy import RowPolicy
from muse.specs import EnvSpec
from muse.utils.attrdicts import Batch


class RandomPolicy(RowPolicy):
    """Draws every action uniformly within the spec's limits, integers including both.

    Raises:
        PolicyError: At construction, for an action without finite limits, or one that is no number.
    """

    uses_model = False

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        self._leaves = [env_spec.leaf(name) for name in self.output_names]
        for leaf in self._leaves:
            if leaf.dtype.kind not in "iufb":
                raise PolicyError(f"RandomPolicy: '{leaf.name}'", f"type {leaf.dtype}", "numbers")
            if not leaf.is_bounded:
                raise PolicyError(
                    f"RandomPolicy: '{leaf.name}'", "no finite limits to draw from", "a bounded leaf",
                    "give it limits in names_shapes_limits_dtypes of the env_spec",
                )  # fmt: skip

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model."""
        rows = self.count_rows_of(obs)
        drawn = self.draw_uniform(sum(leaf.size for leaf in self._leaves))
        values, start = {}, 0
        for leaf in self._leaves:
            unit = drawn[:, start : start + leaf.size].reshape(rows, *leaf.shape)
            start += leaf.size
            if leaf.dtype.kind in "iub":
                values[leaf.name] = np.floor(leaf.low + unit * (leaf.high - leaf.low + 1))
            else:
                values[leaf.name] = leaf.low + unit * (leaf.high - leaf.low)
        return self.finish(values)
