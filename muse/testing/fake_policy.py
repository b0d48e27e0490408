"""A policy for tests of what is around policies: it checks all that it is given, and acts at random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.policy import Policy, PolicyError
from muse.specs import EnvSpec
from muse.testing.made_up import draw_values
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, flatten, has, nest
from muse.utils.errors import nearest
from muse.utils.seeding import make_generator


class FakePolicy(Policy):
    """Draws actions from each row's own generator, and complains about everything that breaks the contract of its caller.

    Every action is within the spec's limits, where it has them, and near zero where not.

    Attributes:
        calls: Number of actions asked for.
        steps: Actions of each row since it began, `(B,)`.
    """

    uses_model = False

    predefined_arguments = [
        *Policy.predefined_arguments,
        Argument("needs_model", type=bool, default=False, help="complain when it is given no model"),
    ]

    needs_model: bool

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        self.calls = 0
        self.steps = np.zeros(0, np.int64)
        self._generators: list[np.random.Generator] = []

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """Checks and begins the rows; see `Policy.reset_policy`.

        Raises:
            PolicyError: For anything that breaks the contract of the caller.
        """
        where = "FakePolicy.reset_policy"
        if rows is None:
            rows = np.ones(len(self.steps) or 1, dtype=bool)
        if not isinstance(rows, np.ndarray) or rows.dtype != bool or rows.ndim != 1 or len(rows) == 0:
            raise PolicyError(where, f"rows {getattr(rows, 'dtype', type(rows).__name__)} {np.shape(rows)}", "a bool array (B,)")
        if len(rows) != len(self.steps):
            if not rows.all():
                raise PolicyError(where, f"{len(rows)} rows, some of them false", f"{len(self.steps)} rows, or all of them true")
            self.steps = np.zeros(len(rows), np.int64)
            self._generators = [np.random.default_rng() for _ in rows]
        begun = np.flatnonzero(rows)
        if seeds is not None and len(seeds) != len(begun):
            raise PolicyError(where, f"{len(seeds)} seeds for {len(begun)} rows", "one seed for each row that begins")
        for row, seed in zip(begun, [None] * len(begun) if seeds is None else seeds, strict=True):
            if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer))):
                raise PolicyError(where, f"the seed {seed!r}", "an int, or None")
            self._generators[row] = np.random.default_rng() if seed is None else make_generator(int(seed), "fake_policy")
            self.steps[row] = 0

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """Checks what it is given and draws actions; see `Policy.get_action`.

        Raises:
            PolicyError: For anything that breaks the contract of the caller.
        """
        self._check("FakePolicy.get_action", model, obs, goal)
        self.calls += 1
        self.steps += 1
        drawn = [draw_values(self.env_spec, self.output_names, (), generator) for generator in self._generators]
        return nest({name: np.stack([row[name] for row in drawn]) for name in self.output_names})

    def is_terminated(self, model: Model | None, obs: Batch, goal: Batch) -> np.ndarray:
        """Checks what it is given; returns `(B,)` bool: rows that have taken `timeout` actions."""
        self._check("FakePolicy.is_terminated", model, obs, goal)
        return self.steps >= self.timeout if self.timeout else np.zeros(len(self.steps), dtype=bool)

    def _check(self, where: str, model: Model | None, obs: Batch, goal: Batch) -> None:
        if len(self.steps) == 0:
            raise PolicyError(where, "no row has begun", "reset_policy before it")
        if not (model is None or isinstance(model, Model)) or (model is None and self.needs_model):
            raise PolicyError(f"{where}: model", type(model).__name__, "a Model" if self.needs_model else "a Model, or None")
        spec = self.env_spec
        self._check_batch(f"{where}, obs", obs, spec.observation_names, (*spec.observation_names, *spec.param_names))
        self._check_batch(f"{where}, goal", goal, () if self.is_goal else spec.goal_names, spec.goal_names)

    def _check_batch(self, where: str, batch: Batch, wanted: Iterable[str], allowed: Iterable[str]) -> None:
        allowed = list(allowed)
        for name in wanted:
            if not has(batch, name):
                raise PolicyError(f"{where}: '{name}'", "missing", "all of " + ", ".join(wanted))
        for name, value in flatten(batch).items():
            if name not in allowed:
                raise PolicyError(
                    f"{where}: '{name}'", f"not for policies{nearest(name, allowed)}", "some of " + (", ".join(allowed) or "none")
                )
            leaf = self.env_spec.leaf(name)
            shape = (len(self.steps), 1, *leaf.shape)
            if not isinstance(value, np.ndarray):
                raise PolicyError(f"{where}: '{name}'", type(value).__name__, "a numpy array")
            if value.shape != shape or value.dtype != leaf.dtype:
                raise PolicyError(f"{where}: '{name}'", f"{value.dtype} of shape {value.shape}", f"{leaf.dtype} of shape {shape}")
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                raise PolicyError(f"{where}: '{name}'", "NaN or infinity", "finite numbers")
