"""The value that says everything another part may know about an environment: names, shapes, limits, types, units, roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from muse.specs.leaf import ROLES, Leaf, SpecError
from muse.utils.abstract import Argument, BaseClass
from muse.utils.attrdicts import Batch, flatten, has
from muse.utils.errors import nearest


class EnvSpec(BaseClass):
    """The contract of an environment's data. Frozen: a changed spec is a new one (`extended`).

    Built from the seed's tuples:

        EnvSpec(d(
            names_shapes_limits_dtypes=[("ego", (2,), (0, 1), np.float32, "m"), ("action", (2,), (-1, 1), np.float32)],
            observation_names=["ego"], action_names=["action"],
        ))

    A tuple is `(name, shape, (low, high), dtype)` with the unit as an optional fifth and a description as an optional sixth. A
    name has one role at most; names without a role are recorded in datasets as inputs and asked of nobody.
    """

    predefined_arguments = [
        Argument(
            "names_shapes_limits_dtypes",
            type=list,
            required=True,
            help="tuples (name, shape, (low, high), dtype[, unit[, description]])",
        ),
        Argument("observation_names", type=list, default=[], element_type=str, help="seen by the policy at every step"),
        Argument(
            "output_observation_names",
            type=list,
            default=[],
            element_type=str,
            help="what a step returns besides (reward, truncated)",
        ),
        Argument("goal_names", type=list, default=[], element_type=str, help="what is to be reached, at every step"),
        Argument("action_names", type=list, default=[], element_type=str, help="what a step takes"),
        Argument("param_names", type=list, default=[], element_type=str, help="known once, at reset"),
        Argument("final_names", type=list, default=[], element_type=str, help="known once, at the end"),
    ]

    observation_names: tuple[str, ...]
    output_observation_names: tuple[str, ...]
    goal_names: tuple[str, ...]
    action_names: tuple[str, ...]
    param_names: tuple[str, ...]
    final_names: tuple[str, ...]

    def __init__(self, params: Mapping[str, Any]) -> None:
        values = self.read_predefined_params(params)
        roles: dict[str, str] = {}
        for role, option in ROLES.items():
            for name in values[option]:
                if name in roles:
                    raise SpecError(f"EnvSpec.{option}", f"'{name}' is already a {roles[name]}", "one role for each name")
                roles[name] = role
        leaves = {}
        for entry in values["names_shapes_limits_dtypes"]:
            if len(entry) not in (4, 5, 6):
                raise SpecError("EnvSpec", f"entry {entry!r}", "(name, shape, (low, high), dtype[, unit[, description]])")
            name, shape, limits, dtype, unit, description = (*entry, "", "")[:6]
            if name in leaves:
                raise SpecError("EnvSpec", f"'{name}' twice", "each name once")
            leaves[name] = Leaf(name, tuple(shape), limits[0], limits[1], dtype, unit, roles.get(name, ""), description)
        for name in leaves:
            above = [name[:i] for i, letter in enumerate(name) if letter == "/"]
            if outer := next((one for one in above if one in leaves), None):
                raise SpecError("EnvSpec", f"'{name}' inside of '{outer}'", "a name that is no part of another's path")
        for name, role in roles.items():
            if name not in leaves:
                raise SpecError(
                    f"EnvSpec.{ROLES[role]}",
                    f"unknown name '{name}'{nearest(name, leaves)}",
                    "a name from names_shapes_limits_dtypes",
                )
        self._leaves = leaves
        for option in ROLES.values():
            setattr(self, option, tuple(values[option]))
        object.__setattr__(self, "_frozen", True)

    def __setattr__(self, name: str, value: Any) -> None:
        if getattr(self, "_frozen", False):
            raise AttributeError(f"an EnvSpec is frozen; use extended() instead of setting '{name}'")
        super().__setattr__(name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnvSpec) and self.to_dict() == other.to_dict()

    def __repr__(self) -> str:
        return f"EnvSpec({', '.join(f'{name} {leaf.shape} {leaf.role or None}' for name, leaf in self._leaves.items())})"

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def from_leaves(cls, leaves: Iterable[Leaf]) -> EnvSpec:
        """Builds a spec from leaves that know their roles."""
        leaves = list(leaves)
        values: dict[str, Any] = {option: [leaf.name for leaf in leaves if leaf.role == role] for role, option in ROLES.items()}
        values["names_shapes_limits_dtypes"] = [
            (l.name, l.shape, (l.low, l.high), l.dtype, l.unit, l.description) for l in leaves
        ]
        return cls(values)

    def extended(self, leaves: Iterable[Leaf]) -> EnvSpec:
        """Returns a spec with `leaves` added; one that is there already with the same shape and type is left as it is.

        Raises:
            SpecError: When a name is there with another shape or type.
        """
        joined = dict(self._leaves)
        for leaf in leaves:
            old = joined.setdefault(leaf.name, leaf)
            if (old.shape, old.dtype) != (leaf.shape, leaf.dtype):
                raise SpecError(
                    f"spec leaf '{leaf.name}'",
                    f"shape {leaf.shape} {leaf.dtype}",
                    f"what is there: shape {old.shape} {old.dtype}",
                )
        return EnvSpec.from_leaves(joined.values())

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON and checkpoints."""
        return {"leaves": [leaf.to_dict() for leaf in self._leaves.values()]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EnvSpec:
        """Reverses `to_dict`."""
        return cls.from_leaves(Leaf.from_dict(leaf) for leaf in values["leaves"])

    @property
    def all_names(self) -> tuple[str, ...]:
        """Every name, in the order declared."""
        return tuple(self._leaves)

    @property
    def names(self) -> tuple[str, ...]:
        """The names with a row per step: all but params and finals."""
        return tuple(name for name, leaf in self._leaves.items() if leaf.role not in ("param", "final"))

    def __contains__(self, name: object) -> bool:
        return name in self._leaves

    def leaf(self, name: str) -> Leaf:
        """Returns the leaf called `name`.

        Raises:
            SpecError: When there is none, with the nearest name.
        """
        try:
            return self._leaves[name]
        except KeyError:
            raise SpecError(
                "EnvSpec", f"unknown name '{name}'{nearest(name, self._leaves)}", "one of " + ", ".join(self._leaves)
            ) from None

    def dim(self, names: Iterable[str]) -> int:
        """Returns the number of elements of `names` laid side by side."""
        return sum(self.leaf(name).size for name in names)

    def get_uniform(self, names: Iterable[str], batch: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draws each name uniformly within its limits, `(B, *shape)`; integers include both limits.

        Raises:
            SpecError: For a name without finite limits.
        """
        drawn = {}
        for name in names:
            leaf = self.leaf(name)
            if not leaf.is_bounded:
                raise SpecError(f"spec leaf '{name}'", "no finite limits to draw from", "a bounded leaf")
            size = (batch, *leaf.shape)
            if leaf.dtype.kind in "iub":
                value: np.ndarray = rng.integers(leaf.low.astype(np.int64), leaf.high.astype(np.int64), size=size, endpoint=True)
            else:
                value = rng.uniform(leaf.low, leaf.high, size=size)
            drawn[name] = value.astype(leaf.dtype)
        return drawn

    def get_zeros(self, names: Iterable[str], batch: int) -> dict[str, np.ndarray]:
        """Returns zeros of each name, `(B, *shape)`."""
        return {name: np.zeros((batch, *self.leaf(name).shape), self.leaf(name).dtype) for name in names}

    def clip(self, batch: Batch, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Returns `names` of `batch` within their limits, as a flat dict; the rest is left out. Nothing is changed in place."""
        clipped = {}
        for name in names:
            leaf = self.leaf(name)
            clipped[name] = np.clip(batch[name], leaf.low.astype(_float_of(leaf)), leaf.high.astype(_float_of(leaf)))
        return clipped

    def map_to_types(self, batch: Batch, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Returns a flat dict of arrays in the declared types. Floats become integers by rounding, never by truncation."""
        typed = {}
        for name in flatten(batch) if names is None else names:
            leaf, value = self.leaf(name), np.asarray(batch[name])
            if leaf.dtype.kind in "iub" and value.dtype.kind == "f":
                value = np.rint(value)
            typed[name] = value.astype(leaf.dtype, copy=False)
        return typed

    def check(
        self, batch: Batch, names: Iterable[str], lead: tuple[int, ...] | None = None, where: str = "batch", limits: bool = False
    ) -> None:
        """Checks that `batch` holds `names` in their shapes and kinds of type.

        Args:
            lead: Leading dimensions that every leaf must have; any when None.
            limits: Also check finiteness and limits.

        Raises:
            SpecError: For the first name that is absent or does not fit.
        """
        for name in names:
            leaf = self.leaf(name)
            if not has(batch, name):
                raise SpecError(f"{where}: '{name}'", "missing", f"an array of shape (..., {', '.join(map(str, leaf.shape))})")
            value = batch[name]
            shape = tuple(value.shape)
            n = len(shape) - len(leaf.shape)
            if n < 0 or shape[n:] != leaf.shape or (lead is not None and shape[:n] != tuple(lead)):
                wanted = ", ".join(map(str, (*(("...",) if lead is None else lead), *leaf.shape)))
                raise SpecError(f"{where}: '{name}'", f"shape {shape}", f"shape ({wanted})")
            if limits:
                array = np.asarray(value)
                if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
                    raise SpecError(f"{where}: '{name}'", "NaN or infinity", "finite numbers")
                slack = 1e-5 * np.maximum(1.0, np.where(np.isfinite(leaf.high - leaf.low), np.abs(leaf.high - leaf.low), 1.0))
                if array.dtype.kind in "iufb" and (np.any(array < leaf.low - slack) or np.any(array > leaf.high + slack)):
                    raise SpecError(
                        f"{where}: '{name}'",
                        f"values from {array.min()} to {array.max()}",
                        f"within [{leaf.low.min()}, {leaf.high.max()}]",
                    )


def _float_of(leaf: Leaf) -> np.dtype:
    return leaf.dtype if leaf.dtype.kind == "f" else np.dtype(np.float64)
