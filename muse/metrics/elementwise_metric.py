"""Errors of what a model computes, element by element."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from muse.metrics.metric import Metric, MetricError, read
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch

#: Name of the error -> what it makes of a difference.
ERRORS = {"l1": Tensor.abs, "l2": Tensor.square}


class ElementwiseMetric(Metric):
    """The absolute or squared error of `names` in the model's outputs against the batch's own values, `<name>_<error>`.

    A row's value is the mean over the elements of the name. With several names, `<error>` is the mean over the names too.
    """

    predefined_arguments = [
        *Metric.predefined_arguments,
        Argument("names", type=list, required=True, element_type=str, help="outputs of the model to compare"),
        Argument("error", type=str, default="l2", choices=tuple(ERRORS), help="l1: absolute, l2: squared"),
    ]

    names: list[str]
    error: str

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        if not self.names:
            raise MetricError("ElementwiseMetric: option 'names'", "empty", "at least one output of the model")

    def compute(self, inputs: Batch, outputs: Batch, model_outputs: Batch) -> dict[str, Tensor]:
        """See `Metric.compute`; values `(B, H)`."""
        values = {}
        for name in self.names:
            made = read(name, (model_outputs,), "ElementwiseMetric: the model's outputs")
            target = read(name, (inputs, outputs), "ElementwiseMetric: the batch").to(made.device)
            if made.shape != target.shape or made.ndim < 2:
                raise MetricError(f"ElementwiseMetric: '{name}'", f"shape {tuple(made.shape)}", f"shape {tuple(target.shape)}")
            error = ERRORS[self.error](made.float() - target.float())
            values[self._label(name)] = error if error.ndim == 2 else error.flatten(2).mean(-1)
        if len(self.names) > 1:
            values[self.name or self.error] = torch.stack(list(values.values())).mean(0)
        return values

    def _label(self, name: str) -> str:
        return self.name if self.name and len(self.names) == 1 else f"{name}_{self.error}"
