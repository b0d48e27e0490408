"""A policy around any function of a model, without a memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.inference import MODEL_ARGUMENTS, ModelView, all_tensors, take
from muse.policies.memory_policy import Tensors, forward_inputs
from muse.policies.row_policy import RowPolicy
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch
from muse.utils.torch_utils import to_tensor


class BasicPolicy(RowPolicy):
    """Acts with `policy_model_forward_fn(model, obs, goal) -> outputs`, anew at every step, and ends after `timeout` actions.

    What the function gets and returns is as `MemoryPolicy` says, but for the memory. Without it the model itself is called with
    the names that it reads.
    """

    predefined_arguments = [
        *RowPolicy.predefined_arguments,
        *MODEL_ARGUMENTS,
        Argument("policy_model_forward_fn", help="fn(model, obs, goal) -> outputs; None: the model itself"),
    ]

    policy_model_forward_fn: Callable[[Model, Tensors, Tensors], Mapping[str, Any]] | None
    policy_out_names: list[str] | None
    sample: bool | None

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        self._forward = self.policy_model_forward_fn or forward_inputs
        self._view = ModelView()

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`."""
        model = self._view.look(model, "BasicPolicy")
        device = self._view.device
        seen, wanted = all_tensors(obs, device), all_tensors(goal, device)
        batch, horizon = next(iter({**seen, **wanted}.values())).shape[:2] if seen or wanted else (len(self.steps), 1)
        self.count_rows(batch)
        if self.sample is not False and self._view.noise_size:
            seen["noise"] = to_tensor(self.draw_normal(horizon, self._view.noise_size), device)
        outputs = self._view.run(
            model, np.ones(batch, dtype=bool), "BasicPolicy", lambda _memory: self._forward(model, seen, wanted)
        )
        return self.finish(take(outputs, self.policy_out_names or self.output_names, "BasicPolicy.get_action"), goal)
