"""One named array of a spec: its shape, limits, type, unit and role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from muse.utils.errors import MuseError

#: Begins the name of a goal that is named after its state: `goal/ego`.
GOAL_PREFIX = "goal/"

#: Role of a leaf and the option of `EnvSpec` that lists the names with it.
ROLES = {
    "observation": "observation_names",
    "output_observation": "output_observation_names",
    "goal": "goal_names",
    "action": "action_names",
    "param": "param_names",
    "final": "final_names",
}


class SpecError(MuseError):
    """A spec that contradicts itself, or values that do not fit it."""


@dataclass(frozen=True, eq=False)
class Leaf:
    """One named array.

    Args:
        name: Slash path.
        shape: Without batch dimensions.
        low, high: Limits, scalars or arrays that broadcast to `shape`; infinite where there are none.
        dtype: numpy type. `object` is refused: it could only be stored by pickling.
        unit: `"m"`, `"rad"`, `"m/s"`; empty when it has none or it is unknown.
        role: A key of `ROLES`, or `""` for a name that is recorded and plays no part.
        description: What the numbers mean where a unit does not say it: frame, order, sign, scale.
    """

    name: str
    shape: tuple[int, ...]
    low: Any
    high: Any
    dtype: np.dtype
    unit: str = ""
    role: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        where = f"spec leaf '{self.name}'"
        if not self.name or self.name != self.name.strip("/") or "//" in self.name:
            raise SpecError(where, "not a name", "a path such as 'objects/position'")
        if any(int(n) != n or n < 0 for n in self.shape):
            raise SpecError(where, f"shape {self.shape}", "a tuple of sizes")
        dtype = np.dtype(self.dtype)
        if dtype.hasobject:
            raise SpecError(where, f"dtype {dtype}", "a type of fixed size (float32, int64, bool, uint8, U16)")
        if self.role and self.role not in ROLES:
            raise SpecError(where, f"role '{self.role}'", "one of " + ", ".join(ROLES))
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "dtype", dtype)
        for side in ("low", "high"):
            try:
                limit = np.broadcast_to(np.asarray(getattr(self, side), dtype=np.float64), self.shape)
            except ValueError as error:
                raise SpecError(
                    where, f"{side} {getattr(self, side)!r}", f"a limit that broadcasts to shape {self.shape}"
                ) from error
            limit = limit.copy()
            limit.flags.writeable = False
            object.__setattr__(self, side, limit)
        if not np.all(self.low <= self.high):
            raise SpecError(where, f"low {self.low.tolist()} above high {self.high.tolist()}", "low <= high")

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def is_bounded(self) -> bool:
        """Whether every element has two finite limits."""
        return bool(np.all(np.isfinite(self.low)) and np.all(np.isfinite(self.high)))

    @property
    def is_image(self) -> bool:
        """Whether it is a picture, `(Y, X, C)` uint8."""
        return self.dtype == np.uint8 and len(self.shape) == 3

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values that JSON and a safe checkpoint can hold (infinite limits as strings)."""
        return {
            "name": self.name, "shape": list(self.shape), "low": _plain_limit(self.low), "high": _plain_limit(self.high),
            "dtype": self.dtype.str if self.dtype.kind in "US" else self.dtype.name, "unit": self.unit, "role": self.role,
            **({"description": self.description} if self.description else {}),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Leaf:
        """Reverses `to_dict`."""
        limits = {side: np.asarray(values[side], dtype=np.float64) for side in ("low", "high")}
        return cls(
            values["name"],
            tuple(values["shape"]),
            limits["low"],
            limits["high"],
            np.dtype(values["dtype"]),
            values["unit"],
            values["role"],
            values.get("description", ""),
        )


def _plain_limit(limit: np.ndarray) -> Any:
    if limit.size == 0:
        return 0.0
    if np.all(limit == limit.flat[0]):
        return _plain(float(limit.flat[0]))
    return _plain(limit.tolist())


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if np.isfinite(value) else str(value)
