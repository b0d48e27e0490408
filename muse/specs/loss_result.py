"""What a model's loss returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class LossResult:
    """A loss to minimise, with what is worth writing down beside it.

    Attributes:
        loss: Scalar tensor with a graph.
        terms: Detached scalar tensors by slash path (`"policy_loss/l2"`); the trainer reads them only when it writes.
        outputs: The model's outputs, for metrics.
    """

    loss: torch.Tensor
    terms: Mapping[str, torch.Tensor] = field(default_factory=dict)
    outputs: Mapping[str, torch.Tensor] = field(default_factory=dict)
