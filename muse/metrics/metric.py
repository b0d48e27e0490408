"""The contract of metrics. The loop that calls it, for a batch of a dataset (`muse.trainers`) or of an episode (`Tracker`):

values = metric(inputs, outputs, model_outputs)         # {"action_error": scalar, ...}
rows = metric.compute(inputs, outputs, model_outputs)   # {"action_error": (B, H)}, before it is reduced
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from muse.metrics.groups import REDUCTIONS, group_reduce, reduce
from muse.utils.abstract import Argument, BaseClass
from muse.utils.attrdicts import Batch, flatten, has
from muse.utils.errors import MuseError, nearest
from muse.utils.torch_utils import padding_mask_of, to_tensor


class MetricError(MuseError):
    """A metric built or called against its contract."""


class Metric(BaseClass, ABC):
    """Computes named values of a batch. Leaves may be arrays or tensors; values are tensors, with a graph where there was one.

    A subclass writes `compute`, which gives a value to every row; calling the metric reduces them over the rows that are not
    padding. With `group_by` there is also, for each group `g` that occurs, `<name>/group_<g>` and `<name>/count_<g>`, and
    `<name>/worst`: the value of the group that does worst.

    Args:
        params: The options of the class.
    """

    predefined_arguments = [
        Argument("name", type=str, default="", help="what to call the value; the class's own name for it when empty"),
        Argument("reduce", type=str, default="mean", choices=tuple(REDUCTIONS), help="how the rows of a batch make one value"),
        Argument(
            "group_by",
            help="name of whole numbers in the inputs or outputs, or fn(inputs, outputs, model_outputs) -> (B,) or (B, H) of them",
        ),
        Argument("lower_is_better", type=bool, default=True, help="whether the worst group is the one with the highest value"),
    ]

    name: str
    reduce: str
    group_by: str | Callable[[Batch, Batch, Batch], Any] | None
    lower_is_better: bool

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        self.params = {} if params is None else params
        self.read_predefined_params(self.params)

    @abstractmethod
    def compute(self, inputs: Batch, outputs: Batch, model_outputs: Batch) -> dict[str, Tensor]:
        """Returns the value of every row, or of every window.

        Args:
            inputs, outputs: A batch, leaves `(B, H, *shape)`.
            model_outputs: What the model made of it; empty where there is no model.

        Returns:
            Values `(B, H)` or `(B,)` by name.
        """

    def __call__(self, inputs: Batch, outputs: Batch, model_outputs: Batch | None = None) -> dict[str, Tensor]:
        """Returns scalars by name. A batch whose every row is padding has none.

        Raises:
            MetricError: When the values or groups do not fit the batch.
        """
        model_outputs = {} if model_outputs is None else model_outputs
        mask = padding_mask_of(outputs)
        groups = self.get_groups(inputs, outputs, model_outputs)
        results: dict[str, Tensor] = {}
        for name, values in self.compute(inputs, outputs, model_outputs).items():
            if values.ndim not in (1, 2):
                raise MetricError(
                    f"{type(self).__name__}.compute: '{name}'", f"shape {tuple(values.shape)}", "shape (B, H) or (B,)"
                )
            keep = _rows_that_count(mask, values, f"{type(self).__name__}: 'padding_mask'")
            if not bool(keep.any()):
                continue
            results[name] = reduce(values[keep], self.reduce)
            if groups is not None:
                results.update(self._grouped(name, values, groups, keep))
        return results

    def _grouped(self, name: str, values: Tensor, groups: Tensor, keep: Tensor) -> dict[str, Tensor]:
        ids, reduced, counts = group_reduce(values[keep], fit_groups(groups, values)[keep], self.reduce)
        results = {f"{name}/group_{g}": value for g, value in zip(ids.tolist(), reduced, strict=True)}
        results.update({f"{name}/count_{g}": count for g, count in zip(ids.tolist(), counts, strict=True)})
        results[f"{name}/worst"] = reduced.max() if self.lower_is_better else reduced.min()
        return results

    def get_groups(self, inputs: Batch, outputs: Batch, model_outputs: Batch) -> Tensor | None:
        """Returns the group of every window `(B,)` or row `(B, H)`, int64; None without `group_by`.

        Raises:
            MetricError: For groups that are missing, no whole numbers, or misshapen.
        """
        if self.group_by is None:
            return None
        if callable(self.group_by):
            groups = to_tensor(self.group_by(inputs, outputs, model_outputs))
        else:
            groups = read(str(self.group_by), (inputs, outputs), f"{type(self).__name__}: group_by")
        if groups.ndim == 3 and groups.shape[2] == 1:
            groups = groups[..., 0]
        if groups.is_floating_point() or groups.is_complex() or groups.ndim not in (1, 2):
            raise MetricError(
                f"{type(self).__name__}: group_by", f"{groups.dtype} of shape {tuple(groups.shape)}",
                "whole numbers of shape (B,), (B, H) or (B, H, 1)",
            )  # fmt: skip
        return groups.long()


def read(name: str, batches: tuple[Batch, ...], where: str) -> Tensor:
    """Returns `name` from the first of `batches` that has it.

    Raises:
        MetricError: When none has.
    """
    for batch in batches:
        if has(batch, name):
            return to_tensor(batch[name])
    there = [other for batch in batches for other in flatten(batch)]
    raise MetricError(f"{where}: '{name}'", f"missing{nearest(name, there)}", "one of " + (", ".join(there) or "none"))


def _rows_that_count(mask: Tensor | None, values: Tensor, where: str) -> Tensor:
    """Returns `(B, H)` or `(B,)` bool, as `values` are: all but padding. A window counts unless all of it is padding."""
    if mask is None:
        return torch.ones(values.shape, dtype=torch.bool, device=values.device)
    keep = ~mask.to(values.device)
    if values.ndim == 1:
        keep = keep.any(dim=1)
    if keep.shape != values.shape:
        raise MetricError(where, f"shape {tuple(mask.shape)}", f"one for each of the values {tuple(values.shape)}")
    return keep


def fit_groups(groups: Tensor, values: Tensor) -> Tensor:
    """Returns `groups` in the shape of `values`: those of a window repeated for its rows, or those of its first row taken.

    Raises:
        MetricError: When there is not one for each.
    """
    fitting = groups.to(values.device)
    if fitting.ndim == 1 and values.ndim == 2:
        fitting = fitting[:, None].expand(-1, values.shape[1])
    elif fitting.ndim == 2 and values.ndim == 1:
        fitting = fitting[:, 0]
    if fitting.shape != values.shape:
        raise MetricError(
            "Metric: group_by", f"groups of shape {tuple(groups.shape)}", f"one for each of the values {tuple(values.shape)}",
            "a group for each window, or for each of its rows",
        )  # fmt: skip
    return fitting
