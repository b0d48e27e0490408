"""Weights of other projects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from muse.models.errors import ModelError


def load_weights(path: str) -> Mapping[str, Tensor]:
    """Reads a state dict from a file, without running any code that is in it.

    Raises:
        ModelError: When there is no such file, or something else is in it.
    """
    where = f"weights_file '{path}'"
    if not Path(path).is_file():
        raise ModelError(
            where,
            "no such file",
            "a state dict that torch.save wrote",
            "torch.save(torchvision.models.resnet18(weights='DEFAULT').state_dict(), path)",
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(where, f"it cannot be read ({type(error).__name__})", "a state dict that torch.save wrote") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(where, f"a {type(state).__name__}", "a state dict: tensors by name")
    return state
