"""Targets of models that plan several actions from one row."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from muse.models.errors import ModelError


def look_ahead(targets: Mapping[str, Tensor], padding_mask: Tensor | None, chunk: int) -> tuple[dict[str, Tensor], Tensor]:
    """Returns what rows that plan `K` steps ahead are to say: of row `h`, the values of the rows `h` to `h + K - 1`.

    Args:
        targets: Values `(B, H, *shape)`.
        padding_mask: `(B, H)` bool, true where a row is padding; None: nowhere.
        chunk: `K`.

    Returns:
        Values `(B, H * K, *shape)`, and a mask of those that are not there: padding, of padding, or behind the window.

    Raises:
        ModelError: When no window is long enough for its first row.
    """
    first = next(iter(targets.values()))
    batch, horizon = first.shape[:2]
    if horizon < chunk:
        raise ModelError(
            f"chunk of {chunk} actions", f"windows of {horizon} rows", f"at least {chunk}", "--horizon, or a smaller chunk"
        )
    rows = torch.arange(horizon, device=first.device)[:, None] + torch.arange(chunk, device=first.device)
    behind = (rows >= horizon).flatten().expand(batch, -1)
    index = rows.clamp(max=horizon - 1).flatten()
    if padding_mask is not None:
        behind = behind | padding_mask[:, index] | padding_mask.repeat_interleave(chunk, dim=1)
    return {name: value[:, index] for name, value in targets.items()}, behind
