"""A model for tests of what is around models: it checks all that it is given, and answers at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from muse.models.model import Model, ModelError
from muse.models.normalizer import Normalizer
from muse.specs import EnvSpec, LossResult
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, has
from muse.utils.torch_utils import masked_mean, mean_per_row


class FakeModel(Model):
    """Acts upon the observations of the spec, and complains about everything that breaks the contract.

    The action is a smooth function of the observations, of the rows seen before (`recurrent`) and of the noise (`draws`), within
    the spec's limits. It has two parameters, so that it can be trained and saved in no time.
    """

    predefined_arguments = Model.predefined_arguments + [
        Argument("recurrent", type=bool, default=False, help="count the rows in a memory"),
        Argument("draws", type=bool, default=False, help="take noise"),
        Argument("use_goal", type=bool, default=False, help="read the goals of the spec too"),
        Argument("normalize_inputs", type=bool, default=False, help="need the statistics of every input"),
    ]

    recurrent: bool
    draws: bool
    use_goal: bool
    normalize_inputs: bool

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.bias = torch.nn.Parameter(torch.zeros(()))
        shapes = {name: self.env_spec.leaf(name).shape for name in self.input_names}
        self.normalizer = Normalizer(shapes) if self.normalize_inputs else None
        self.calls = 0

    @property
    def input_names(self) -> tuple[str, ...]:
        """The observations of the spec, and its goals where asked for."""
        return (*self.env_spec.observation_names, *(self.env_spec.goal_names if self.use_goal else ()))

    @property
    def output_names(self) -> tuple[str, ...]:
        """The actions of the spec."""
        return self.env_spec.action_names

    @property
    def target_names(self) -> tuple[str, ...]:
        """The actions of the spec."""
        return self.env_spec.action_names

    @property
    def noise_size(self) -> int:
        """One value per row, where it draws."""
        return 1 if self.draws else 0

    def forward(self, inputs: Batch, memory: Any = None) -> dict[str, Any]:
        """Checks the inputs and computes actions `(B, H, *shape)`.

        Raises:
            ModelError: For anything that breaks the contract of the caller.
        """
        self.calls += 1
        self._check(inputs, self.input_names)
        level = torch.stack([self._read(inputs, name) for name in self.input_names]).mean(0)
        batch, horizon = level.shape
        count = self._check_memory(memory, batch)
        if self.draws and "noise" in inputs:
            level = level + 0.1 * self._check_noise(inputs["noise"], (batch, horizon))
        rows = count + torch.arange(horizon, device=level.device)
        level = torch.tanh(self.weight * level + self.bias + (0.01 * rows if self.recurrent else 0.0))
        outputs: dict[str, Any] = {name: self._scale(name, level) for name in self.output_names}
        if self.recurrent:
            outputs["memory"] = {"count": count + horizon}
        return outputs

    def _read(self, inputs: Batch, name: str) -> Tensor:
        value = inputs[name].float()
        if self.normalizer is not None:
            value = self.normalizer.normalize(name, value)
        return mean_per_row(value)

    def _scale(self, name: str, level: Tensor) -> Tensor:
        leaf = self.env_spec.leaf(name)
        low, high = np.where(np.isfinite(leaf.low), leaf.low, -1.0), np.where(np.isfinite(leaf.high), leaf.high, 1.0)
        middle, half = torch.as_tensor((low + high) / 2).float(), torch.as_tensor((high - low) / 2).float()
        spread = level.reshape(*level.shape, *[1] * len(leaf.shape))
        return middle.to(level.device) + half.to(level.device) * spread

    def _check(self, batch: Batch, names: tuple[str, ...]) -> None:
        lead: tuple[int, ...] | None = None
        for name in names:
            if not has(batch, name):
                raise ModelError(f"FakeModel: '{name}'", "missing", "all of input_names and, for the loss, target_names")
            value = batch[name]
            if not isinstance(value, Tensor):
                raise ModelError(f"FakeModel: '{name}'", type(value).__name__, "a tensor")
            if value.device != self.device:
                raise ModelError(f"FakeModel: '{name}'", f"on {value.device}", f"on {self.device}, as the model is")
            leaf = self.env_spec.leaf(name)
            lead = tuple(value.shape[:2]) if lead is None else lead
            if tuple(value.shape) != (*lead, *leaf.shape):
                raise ModelError(f"FakeModel: '{name}'", f"shape {tuple(value.shape)}", f"{(*lead, *leaf.shape)}, (B, H, *shape)")
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise ModelError(f"FakeModel: '{name}'", "NaN or infinity", "finite numbers")

    def _check_memory(self, memory: Any, batch: int) -> Tensor:
        if memory is None:
            return torch.zeros(batch, 1, device=self.device)
        if not self.recurrent:
            raise ModelError("FakeModel: memory", "given to a model without memory", "None")
        if not isinstance(memory, dict) or set(memory) != {"count"}:
            raise ModelError("FakeModel: memory", repr(memory), "what an earlier call, or initial_memory, returned")
        if tuple(memory["count"].shape) != (batch, 1):
            raise ModelError("FakeModel: memory", f"{len(memory['count'])} rows", f"{batch}, as the inputs have")
        return memory["count"]

    def _check_noise(self, noise: Any, lead: tuple[int, int]) -> Tensor:
        if not isinstance(noise, Tensor) or tuple(noise.shape) != (*lead, self.noise_size):
            raise ModelError("FakeModel: noise", f"shape {getattr(noise, 'shape', None)}", f"a tensor {(*lead, self.noise_size)}")
        return noise[..., 0].float()

    def loss(self, inputs: Batch, outputs: Batch) -> LossResult:
        """Checks the batch and computes the mean squared error of the actions."""
        results = self(inputs)
        self._check(inputs, self.target_names)
        if not has(outputs, "padding_mask") or outputs["padding_mask"].dtype != torch.bool:
            raise ModelError("FakeModel: 'padding_mask'", "missing, or not bool", "a bool tensor (B, H) in outputs")
        errors = [mean_per_row((results[name] - inputs[name].float()).square()) for name in self.target_names]
        loss = masked_mean(torch.stack(errors).mean(0), outputs["padding_mask"])
        return LossResult(loss, {"policy_loss/l2": loss.detach()}, {name: results[name] for name in self.output_names})

    def initial_memory(self, batch: int) -> dict[str, Tensor] | None:
        """Returns a count of zero for every row, where it is recurrent."""
        return {"count": torch.zeros(batch, 1, device=self.device)} if self.recurrent else None

    def reset_rows(self, memory: Any, rows: np.ndarray) -> Any:
        """Returns `memory` with the counts of `rows` at zero."""
        if memory is None:
            return None
        if rows.dtype != bool or rows.shape != (len(memory["count"]),):
            raise ModelError("FakeModel.reset_rows", f"rows {rows.dtype} {rows.shape}", f"bool ({len(memory['count'])},)")
        return {"count": memory["count"].masked_fill(torch.as_tensor(rows, device=self.device)[:, None], 0.0)}
