"""Whole numbers, each one of a few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from muse.models.errors import ModelError
from muse.models.heads.gaussian_head import pick
from muse.models.heads.head import ActionHead
from muse.specs import Leaf

#: Beyond so many categories an integer is a quantity rather than a choice.
MOST_CATEGORIES = 1024


def is_categorical(leaf: Leaf) -> bool:
    """Returns whether `leaf` is a bounded whole number (or bool) with few enough values to be a choice."""
    if leaf.dtype.kind not in "iub" or not leaf.is_bounded:
        return False
    return leaf.size == 0 or float((leaf.high - leaf.low).max()) < MOST_CATEGORIES


class CategoricalHead(ActionHead):
    """A categorical distribution for every element, each over its own range of whole numbers.

    `raw` holds as many logits per element as the widest range has values; those beyond an element's own range get no
    probability. The loss is the negative log-probability of the joint action. Actions leave it as int64, in the spec's range.
    """

    loss_name = "nll"

    low: Tensor
    impossible: Tensor

    def __init__(self, params: Mapping[str, Any], leaves: Sequence[Leaf]) -> None:
        super().__init__(params, leaves)
        for leaf in leaves:
            if not is_categorical(leaf):
                raise ModelError(
                    f"CategoricalHead: '{leaf.name}'",
                    f"{leaf.dtype}, limits not whole or too wide",
                    f"an integer of at most {MOST_CATEGORIES} values",
                )
        low = torch.cat([torch.as_tensor(leaf.low.copy()).flatten() for leaf in leaves]).long()
        high = torch.cat([torch.as_tensor(leaf.high.copy()).flatten() for leaf in leaves]).long()
        self.categories = int((high - low).max()) + 1
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("impossible", torch.arange(self.categories) > (high - low)[:, None], persistent=False)

    @property
    def raw_size(self) -> int:
        """Logits per element."""
        return self.size * self.categories

    @property
    def noise_size(self) -> int:
        """One value per element."""
        return self.size

    def logits_of(self, raw: Tensor) -> Tensor:
        """Returns logits `(B, H, A, categories)`."""
        return raw.float().unflatten(-1, (self.size, self.categories)).masked_fill(self.impossible, -torch.inf)

    def act(self, raw: Tensor, noise: Tensor | None = None) -> Tensor:
        """Returns whole numbers `(B, H, A)`."""
        logits = self.logits_of(raw)
        return (logits.argmax(-1) if noise is None else pick(logits, noise)) + self.low

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Returns the negative log-probability of every row, `(B, H)`."""
        chosen = (target.round().long() if target.is_floating_point() else target.long()) - self.low
        log_probs = self.logits_of(raw).log_softmax(-1)
        try:
            return -log_probs.gather(-1, chosen.unsqueeze(-1)).squeeze(-1).sum(-1)
        except RuntimeError as error:
            names = ", ".join(leaf.name for leaf in self.leaves)
            raise ModelError(f"target of {names}", "whole numbers beyond the spec's limits", "values within them") from error
