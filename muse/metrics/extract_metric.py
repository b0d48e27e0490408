"""Values that are there already: a name of a batch, the return, the success."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from muse.metrics.metric import Metric, MetricError, read
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch
from muse.utils.torch_utils import padding_mask_of

#: What becomes of the elements of a row.
ELEMENTS: dict[str, Callable[..., Tensor]] = {
    "mean": Tensor.mean,
    "sum": Tensor.sum,
    "max": Tensor.amax,
    "min": Tensor.amin,
    "norm": Tensor.norm,
}


class ExtractMetric(Metric):
    """The values of `key`, from wherever it is: the inputs, the outputs or what the model computed."""

    predefined_arguments = [
        *Metric.predefined_arguments,
        Argument("key", type=str, required=True, help="name to take"),
        Argument(
            "source", type=str, default="any", choices=("any", "inputs", "outputs", "model_outputs"), help="where to take it from"
        ),
        Argument("elements", type=str, default="mean", choices=tuple(ELEMENTS), help="how the elements of a row make one value"),
    ]

    key: str
    source: str
    elements: str

    def compute(self, inputs: Batch, outputs: Batch, model_outputs: Batch) -> dict[str, Tensor]:
        """See `Metric.compute`; values `(B, H)`."""
        sources = {"inputs": inputs, "outputs": outputs, "model_outputs": model_outputs}
        batches = tuple(sources.values()) if self.source == "any" else (sources[self.source],)
        value = read(self.key, batches, f"ExtractMetric: {'the batch' if self.source == 'any' else self.source}").float()
        if value.ndim < 2 or value.numel() == 0:
            raise MetricError(f"ExtractMetric: '{self.key}'", f"shape {tuple(value.shape)}", "values of shape (B, H, *shape)")
        if value.ndim > 2:
            value = ELEMENTS[self.elements](value.flatten(2), dim=-1)
        return {self.name or self.key: value}


class ReturnMetric(Metric):
    """The return of a window or an episode: the sum of its rewards, each step's discounted by `gamma` once more."""

    predefined_arguments = [
        *Metric.predefined_arguments,
        Argument("key", type=str, default="reward", help="name of the rewards among the outputs"),
        Argument("gamma", type=float, default=1.0, help="discount of a step"),
    ]

    key: str
    gamma: float

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        super().__init__(params)
        if not 0 <= self.gamma <= 1:
            raise MetricError("ReturnMetric: option 'gamma'", str(self.gamma), "a number from 0 to 1")

    def compute(self, inputs: Batch, outputs: Batch, model_outputs: Batch) -> dict[str, Tensor]:
        """See `Metric.compute`; values `(B,)`."""
        reward = _numbers(self.key, outputs, "ReturnMetric")
        mask = padding_mask_of(outputs)
        if mask is not None:
            reward = reward * ~mask.to(reward.device)
        discount = self.gamma ** torch.arange(reward.shape[1], device=reward.device, dtype=reward.dtype)
        return {self.name or "return": (reward * discount).sum(1)}


class SuccessMetric(Metric):
    """Whether a window or an episode ends solved: the last value of `success` that is not padding, 1 or 0."""

    predefined_arguments = [
        *Metric.predefined_arguments,
        Argument("key", type=str, default="success", help="name of the success among the outputs"),
    ]

    key: str

    def compute(self, inputs: Batch, outputs: Batch, model_outputs: Batch) -> dict[str, Tensor]:
        """See `Metric.compute`; values `(B,)`."""
        success = _numbers(self.key, outputs, "SuccessMetric")
        mask = padding_mask_of(outputs)
        rows = torch.arange(success.shape[1], device=success.device).expand_as(success)
        last = (rows if mask is None else rows.masked_fill(mask.to(success.device), 0)).amax(1)
        return {self.name or "success": (success.gather(1, last[:, None])[:, 0] > 0).float()}


def _numbers(key: str, outputs: Batch, where: str) -> Tensor:
    """Returns one number for each row, `(B, H)`."""
    value = read(key, (outputs,), f"{where}: the outputs").float()
    if value.ndim == 3 and value.shape[2] == 1:
        value = value[..., 0]
    if value.ndim != 2:
        raise MetricError(f"{where}: '{key}'", f"shape {tuple(value.shape)}", "one number in each row, (B, H, 1)")
    return value
