"""What a server says of a name. Needs numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class RemoteLeaf:
    """What a server says of one name: see `muse.specs.Leaf`, which a machine without torch cannot import."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    low: np.ndarray
    high: np.ndarray
    unit: str
    role: str

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RemoteLeaf:
        """Reads what `Leaf.to_dict` made."""
        shape = tuple(int(n) for n in values["shape"])
        low, high = (np.broadcast_to(np.asarray(values[side], np.float64), shape) for side in ("low", "high"))
        return cls(
            str(values["name"]), shape, np.dtype(str(values["dtype"])), low, high, str(values["unit"]), str(values["role"])
        )
