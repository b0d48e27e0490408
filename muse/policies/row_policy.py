"""What policies have in common: the rows they act for, their step counts, their random generators, and the last check of an action."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.policy import Policy, PolicyError
from muse.specs import EnvSpec, Leaf
from muse.utils.attrdicts import Batch, flatten, has, nest
from muse.utils.seeding import make_generator


def check_reads(env_spec: EnvSpec, shapes: Mapping[str, tuple[int, ...] | None], where: str, hint: str) -> None:
    """Checks that an env is one that a scripted policy can act in.

    Args:
        env_spec: The env's spec.
        shapes: Shape of each name that the policy reads or writes; None for any.
        where: The policy, for the message.
        hint: An env that it is for.

    Raises:
        PolicyError: For a name that is missing or of another shape.
    """
    for name, shape in shapes.items():
        wanted = f"'{name}'" if shape is None else f"'{name}' of shape {shape}"
        if name not in env_spec:
            raise PolicyError(where, f"no '{name}' in the spec", wanted, hint)
        if shape is not None and env_spec.leaf(name).shape != shape:
            raise PolicyError(where, f"'{name}' of shape {env_spec.leaf(name).shape}", wanted, hint)


class RowPolicy(Policy, ABC):
    """A policy that keeps, for each of its `B` rows, the number of actions taken and a generator.

    A subclass writes `get_action`: it calls `count_rows(obs)` first and returns `finish(values)`. One that knows more of its
    rows overrides `reset_policy`, calls this one and forgets what it knows of the rows returned by `begun_rows`.
    """

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        if self.timeout < 0:
            raise PolicyError(f"{type(self).__name__}: option 'timeout'", str(self.timeout), "steps, or 0 for never")
        #: Actions taken since each row began, `(B,)` int64; empty before the first `reset_policy`.
        self.steps = np.zeros(0, np.int64)
        self._seeds: list[int | None] = []
        self._generators: list[np.random.Generator | None] = []
        self._outlets = {name: _Outlet.of(env_spec.leaf(name)) for name in self.output_names}

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """See `Policy.reset_policy`. Without `rows`, a policy that has not begun yet takes one row, or one for each seed.

        Raises:
            PolicyError: When the rows or seeds do not fit.
        """
        begun = self.begun_rows(rows, seeds)
        if len(begun) != len(self.steps):
            self.steps = np.zeros(len(begun), np.int64)
            self._seeds, self._generators = [None] * len(begun), [None] * len(begun)
        self.steps[begun] = 0
        numbers = np.flatnonzero(begun)
        if seeds is not None and len(seeds) != len(numbers):
            raise PolicyError(
                f"{type(self).__name__}.reset_policy",
                f"{len(seeds)} seeds for {len(numbers)} rows",
                "one seed for each row that begins",
            )
        for i, row in enumerate(numbers):
            self._seeds[row] = None if seeds is None else seeds[i]
            self._generators[row] = None

    def begun_rows(self, rows: np.ndarray | None, seeds: Sequence[int | None] | None) -> np.ndarray:
        """Returns `rows` as `(B,)` bool, with what None stands for filled in."""
        if rows is None:
            count = len(self.steps) or (1 if seeds is None else len(seeds))
            return np.ones(count, dtype=bool)
        rows = np.asarray(rows)
        if rows.ndim != 1 or rows.dtype != bool or len(rows) == 0:
            raise PolicyError(
                f"{type(self).__name__}.reset_policy", f"rows of shape {rows.shape} {rows.dtype}", "a bool array (B,)"
            )
        if len(rows) != len(self.steps) and not rows.all():
            raise PolicyError(
                f"{type(self).__name__}.reset_policy",
                f"{len(rows)} rows, some of them false",
                f"{len(self.steps)} rows, or all of them true",
            )
        return rows

    def generator(self, row: int) -> np.random.Generator:
        """Returns the generator of a row: made from the seed that its episode began with, or from the system where it had none."""
        generator = self._generators[row]
        if generator is None:
            seed = self._seeds[row]
            generator = (
                np.random.default_rng() if seed is None else make_generator(seed, "policy", "goal" if self.is_goal else "action")
            )
            self._generators[row] = generator
        return generator

    def draw_normal(self, *shape: int) -> np.ndarray:
        """Draws standard normal float32 `(B, *shape)`, each row from its own generator."""
        return np.stack([self.generator(row).standard_normal(shape, dtype=np.float32) for row in range(len(self.steps))])

    def draw_uniform(self, *shape: int) -> np.ndarray:
        """Draws float64 in [0, 1) `(B, *shape)`, each row from its own generator."""
        return np.stack([self.generator(row).random(shape) for row in range(len(self.steps))])

    def count_rows(self, batch: int) -> int:
        """Counts an action for every row and returns `B`.

        Raises:
            PolicyError: When `batch` is not the number of rows that began.
        """
        if batch != len(self.steps):
            begun = f"{len(self.steps)} rows have begun" if len(self.steps) else "no row has begun"
            raise PolicyError(
                f"{type(self).__name__}.get_action", f"{batch} rows, but {begun}", "as many rows as reset_policy was given",
                f"policy.reset_policy(np.ones({batch}, dtype=bool)) first",
            )  # fmt: skip
        self.steps += 1
        return batch

    def count_rows_of(self, obs: Batch) -> int:
        """Does `count_rows` with the `B` of an observation; one without leaves has as many rows as have begun."""
        first = next(iter(flatten(obs).values()), None)
        return self.count_rows(len(self.steps) if first is None else len(first))

    def finish(self, values: Mapping[str, Any], goal: Batch | None = None) -> AttrDict:
        """Returns what `get_action` has to: every output name, checked, within its limits, in its type.

        Args:
            values: Arrays or tensors `(B, *shape)`, or `(B, H, *shape)` of which the last of `H` counts. Names that the spec
                does not have are handed through.
            goal: For a goal policy, where a name that `values` lacks is taken from.

        Raises:
            PolicyError: For a name that is missing, misshapen or not finite.
        """
        finished = {}
        for name, outlet in self._outlets.items():
            if has(values, name):
                value = values[name]
            elif self.is_goal and goal is not None and has(goal, name):
                value = goal[name]
            else:
                raise PolicyError(
                    f"{type(self).__name__}: '{name}'", f"not among {', '.join(values) or 'no values'}", "a value for it"
                )
            finished[name] = outlet.finish(value, len(self.steps), type(self).__name__)
        for name, value in values.items():
            if name not in finished and not isinstance(value, Mapping):
                finished[name] = as_array(value)
        return nest(finished)

    def is_terminated(self, model: Model | None, obs: Batch, goal: Batch) -> np.ndarray:
        """Returns `(B,)` bool: rows that have taken `timeout` actions."""
        if self.timeout > 0:
            return self.steps >= self.timeout
        return np.zeros(len(self.steps), dtype=bool)


def as_array(value: Any) -> np.ndarray:
    """Returns a tensor of any device, or an array, as a numpy array."""
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


class _Outlet(NamedTuple):
    """What a leaf asks of a value, with the limits in a type that comparing does not widen."""

    leaf: Leaf
    low: np.ndarray | None
    high: np.ndarray | None

    @classmethod
    def of(cls, leaf: Leaf) -> _Outlet:
        if leaf.dtype.kind not in "iufb" or not (np.any(np.isfinite(leaf.low)) or np.any(np.isfinite(leaf.high))):
            return cls(leaf, None, None)
        limits = np.dtype(leaf.dtype) if leaf.dtype.kind == "f" else np.dtype(np.float64)
        return cls(leaf, leaf.low.astype(limits), leaf.high.astype(limits))

    def finish(self, value: Any, rows: int, where: str) -> np.ndarray:
        leaf, array = self.leaf, as_array(value)
        if array.ndim == len(leaf.shape) + 2:
            array = array[:, -1]
        if array.shape != (rows, *leaf.shape):
            wanted = ", ".join(map(str, (rows, *leaf.shape)))
            raise PolicyError(f"{where}: '{leaf.name}'", f"shape {array.shape}", f"shape ({wanted})")
        if array.dtype.kind == "f":
            if not np.isfinite(array).all():
                bad = np.flatnonzero(~np.isfinite(array.reshape(rows, -1)).all(axis=1))
                raise PolicyError(
                    f"{where}: '{leaf.name}'", f"NaN or infinity in row {bad[0]}", "finite numbers",
                    "look at the observation and at the model's loss",
                )  # fmt: skip
            if leaf.dtype.kind in "iub":
                array = np.rint(array)
        if self.low is not None and self.high is not None:
            array = np.minimum(np.maximum(array, self.low), self.high)
        typed = array.astype(leaf.dtype, copy=False)
        # A view of a model's output or of the caller's goal is not the receiver's to keep.
        return typed.copy() if typed.base is not None or typed is value else typed
