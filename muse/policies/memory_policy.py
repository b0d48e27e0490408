"""A policy around any function of a model and a memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict
from torch import Tensor

from muse.models.model import Model
from muse.policies.inference import MODEL_ARGUMENTS, ModelView, all_tensors, pick, take
from muse.policies.policy import PolicyError
from muse.policies.row_policy import RowPolicy
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch
from muse.utils.torch_utils import to_tensor

Tensors = dict[str, Tensor]


class MemoryPolicy(RowPolicy):
    """Acts with `policy_model_forward_fn`, and keeps the memory that it returns until the next step. The loop inside:

        memory = model.initial_memory(B)
        while acting:
            memory = model.reset_rows(memory, rows_that_begin)
            outputs = policy_model_forward_fn(model, obs, goal, memory)
            memory = outputs.get("memory")

    The function gets flat dicts of tensors `(B, H, *shape)` on the model's device, every observation and every goal, and returns
    a mapping with the actions, `(B, *shape)` or `(B, H, *shape)` of which the last of `H` counts. With a model that draws,
    unless `sample` is false, `obs` also holds `noise` `(B, H, noise_size)`, standard normal, each row from its own generator. The memory is
    one that the model can reset row by row; several envs need that.

        def from_plan(model, obs, goal, memory):
            plan = model["planner"]({**obs, **goal})
            return model["actor"]({**obs, **plan}, memory)

        MemoryPolicy(d(policy_model_forward_fn=from_plan, timeout=200), env_spec)

    Without the function it is `forward_inputs`: the model, called with the names that it reads.
    """

    predefined_arguments = [
        *RowPolicy.predefined_arguments,
        *MODEL_ARGUMENTS,
        Argument("policy_model_forward_fn", help="fn(model, obs, goal, memory) -> outputs with 'memory'; None: the model itself"),
        Argument(
            "is_terminated_fn", help="fn(model, obs, goal, memory) -> (B,) bool, ends episodes too; obs and goal are arrays"
        ),
    ]

    policy_model_forward_fn: Callable[[Model, Tensors, Tensors, Any], Mapping[str, Any]] | None
    is_terminated_fn: Callable[[Model | None, Batch, Batch, Any], np.ndarray] | None
    policy_out_names: list[str] | None
    sample: bool | None

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        self._forward = self.policy_model_forward_fn or forward_inputs
        self._view = ModelView()

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """See `Policy.reset_policy`."""
        before = len(self.steps)
        super().reset_policy(rows, seeds)
        if len(self.steps) != before:
            self._view.memory = None

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`."""
        model = self._view.look(model, "MemoryPolicy")
        device = self._view.device
        seen, wanted = all_tensors(obs, device), all_tensors(goal, device)
        begin = self.steps == 0
        batch, horizon = next(iter({**seen, **wanted}.values())).shape[:2] if seen or wanted else (len(begin), 1)
        self.count_rows(batch)
        if self.sample is not False and self._view.noise_size:
            seen["noise"] = to_tensor(self.draw_normal(horizon, self._view.noise_size), device)
        outputs = self._view.run(model, begin, "MemoryPolicy", lambda memory: self._forward(model, seen, wanted, memory))
        return self.finish(take(outputs, self.policy_out_names or self.output_names, "MemoryPolicy.get_action"), goal)

    def is_terminated(self, model: Model | None, obs: Batch, goal: Batch) -> np.ndarray:
        """Returns `(B,)` bool: rows that have taken `timeout` actions, or that `is_terminated_fn` ends."""
        ended = super().is_terminated(model, obs, goal)
        if self.is_terminated_fn is None:
            return ended
        also = np.asarray(self.is_terminated_fn(model, obs, goal, self._view.memory))
        if also.shape != ended.shape or also.dtype != bool:
            raise PolicyError("MemoryPolicy: is_terminated_fn", f"shape {also.shape} {also.dtype}", f"shape {ended.shape} bool")
        return ended | also


def forward_inputs(model: Model, obs: Tensors, goal: Tensors, memory: Any = None) -> Mapping[str, Any]:
    """Calls the model with the names that it reads, from the observation or else from the goal, and with `noise` where given.

    Raises:
        PolicyError: For a name that neither has.
    """
    names = (*model.input_names, *(("noise",) if "noise" in obs else ()))
    return model(pick(obs, goal, names, "forward_inputs"), memory)
