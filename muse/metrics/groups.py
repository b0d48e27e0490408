"""Reducing values to one, or to one for each group."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: How values make one, and what torch calls that in a scatter.
REDUCTIONS = {"mean": "mean", "sum": "sum", "max": "amax", "min": "amin"}

_REDUCE: dict[str, Callable[[Tensor], Tensor]] = {"mean": Tensor.mean, "sum": Tensor.sum, "max": Tensor.amax, "min": Tensor.amin}


def reduce(values: Tensor, how: str) -> Tensor:
    """Returns one of `values` `(N,)`, `N` at least 1: their mean, sum, max or min. Whole numbers and bools count as floats."""
    return _REDUCE[how](_as_float(values))


def group_reduce(values: Tensor, groups: Tensor, how: str) -> tuple[Tensor, Tensor, Tensor]:
    """Reduces values group by group.

    Args:
        values: `(N,)`.
        groups: `(N,)` int64, any numbers.
        how: One of `REDUCTIONS`.

    Returns:
        The numbers of the groups that occur `(G,)`, ascending; the value of each `(G,)`; its number of values `(G,)` int64.
    """
    ids, place, counts = torch.unique(groups, return_inverse=True, return_counts=True)
    values = _as_float(values)
    reduced = values.new_zeros(len(ids)).scatter_reduce(0, place, values, REDUCTIONS[how], include_self=False)
    return ids, reduced, counts


def _as_float(values: Tensor) -> Tensor:
    return values if values.is_floating_point() else values.float()
