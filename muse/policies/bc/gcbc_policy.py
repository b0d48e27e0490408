"""The policy of behaviour cloning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import CHUNK_PREFIX, Model
from muse.policies.inference import MODEL_ARGUMENTS, ModelView, pick, take
from muse.policies.policy import PolicyError
from muse.policies.row_policy import RowPolicy, as_array
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, flatten, nest
from muse.utils.torch_utils import to_tensor


class GCBCPolicy(RowPolicy):
    """Acts with a (goal-conditioned) behaviour-cloning model, recurrent or not.

    A recurrent model remembers each row's episode by itself. With `replan_horizon` it forgets every so many steps, so that it
    acts from windows as long as those that it was trained on; with 0 it remembers the whole episode.

    `online_action_postproc_fn(model, obs, goal, action) -> action` may change the action before it is clipped: it gets the
    observation and goal as `get_action` did, and a flat dict of arrays `(B, *shape)`.
    """

    predefined_arguments = [
        *RowPolicy.predefined_arguments,
        *MODEL_ARGUMENTS,
        Argument("recurrent", type=bool, default=True, help="keep the model's memory between steps"),
        Argument(
            "replan_horizon",
            type=int,
            default=0,
            help="steps after which the memory is flushed; 0: kept for the episode",
            unit="steps",
        ),
        Argument("online_action_postproc_fn", help="fn(model, obs, goal, action) -> action, before clipping"),
    ]

    recurrent: bool
    replan_horizon: int
    sample: bool | None
    policy_out_names: list[str] | None
    online_action_postproc_fn: Callable[..., Mapping[str, Any]] | None

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        if self.replan_horizon < 0:
            raise PolicyError("GCBCPolicy: option 'replan_horizon'", str(self.replan_horizon), "steps, or 0 for never")
        self._out_names = tuple(self.policy_out_names or self.output_names)
        missing = [name for name in self.output_names if name not in self._out_names]
        if missing and self.online_action_postproc_fn is None:
            raise PolicyError(
                "GCBCPolicy: option 'policy_out_names'", f"{', '.join(self._out_names)}: no '{missing[0]}'", ", ".join(self.output_names),
                "name every output, or give an online_action_postproc_fn that makes the rest",
            )  # fmt: skip
        self._view = ModelView()

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Any = None) -> None:
        """See `Policy.reset_policy`."""
        before = len(self.steps)
        super().reset_policy(rows, seeds)
        if len(self.steps) != before:
            self._view.memory = None

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`."""
        outputs = self._compute(model, obs, goal)
        action = take(outputs, self._out_names, "GCBCPolicy.get_action")
        if self.online_action_postproc_fn is not None:
            action = {name: as_array(value)[:, -1] for name, value in action.items()}
        return self._finish(model, obs, goal, action)

    def get_action_chunk(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action_chunk`: as many steps as the model plans (`Model.chunk`)."""
        if model is None or model.chunk == 1:
            return super().get_action_chunk(model, obs, goal)
        outputs = self._compute(model, obs, goal)
        taken = take(outputs, [CHUNK_PREFIX + name for name in self._out_names], "GCBCPolicy.get_action_chunk")
        chunks = {name.removeprefix(CHUNK_PREFIX): as_array(value)[:, -1] for name, value in taken.items()}
        steps = [
            flatten(self._finish(model, obs, goal, {name: value[:, k] for name, value in chunks.items()}))
            for k in range(model.chunk)
        ]
        return nest({name: np.stack([step[name] for step in steps], axis=1) for name in steps[0]})

    def _compute(self, model: Model | None, obs: Batch, goal: Batch) -> Mapping[str, Any]:
        """Returns what the model says of an observation, and counts it."""
        view = self._view
        model = view.look(model, "GCBCPolicy")
        device = view.device
        read = pick(obs, goal, view.input_names, "GCBCPolicy.get_action")
        inputs = {name: to_tensor(value, device) for name, value in read.items()}
        begin = self._rows_to_begin()
        rows, horizon = next(iter(inputs.values())).shape[:2] if inputs else (len(begin), 1)
        self.count_rows(rows)
        if self.sample is not False and view.noise_size:
            inputs["noise"] = to_tensor(self.draw_normal(horizon, view.noise_size), device)
        return view.run(model, begin, "GCBCPolicy", lambda memory: model(inputs, memory))

    def _finish(self, model: Model | None, obs: Batch, goal: Batch, action: Mapping[str, Any]) -> AttrDict:
        if self.online_action_postproc_fn is not None:
            action = self.online_action_postproc_fn(model, obs, goal, action)
        return self.finish(action, goal)

    def _rows_to_begin(self) -> np.ndarray:
        if not self.recurrent:
            return np.ones(len(self.steps), dtype=bool)
        return (self.steps % self.replan_horizon if self.replan_horizon else self.steps) == 0
