"""Made-up specs and values for checks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from muse.specs import EnvSpec, Leaf, Statistics
from muse.specs.statistics import QUANTILES

#: Limits beyond this are drawn from as if there were none.
_FAR = 1e6


def fake_env_spec() -> EnvSpec:
    """Returns a small spec with a nested name, an action of two numbers, and a reward."""
    leaves = [
        ("ego", (2,), (-1, 1), np.float32, "m"), ("objects/position", (2, 3), (-np.inf, np.inf), np.float32, "m"),
        ("action", (2,), (-1, 1), np.float32), ("reward", (1,), (-np.inf, np.inf), np.float32),
        ("truncated", (1,), (0, 1), bool),
    ]  # fmt: skip
    return EnvSpec(
        {
            "names_shapes_limits_dtypes": leaves, "observation_names": ["ego", "objects/position"],
            "output_observation_names": ["reward", "truncated"], "action_names": ["action"],
        }
    )  # fmt: skip


def draw_values(
    env_spec: EnvSpec, names: Iterable[str], lead: tuple[int, ...], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draws `names` `(*lead, *shape)`; see `draw_leaf`."""
    return {name: draw_leaf(env_spec.leaf(name), lead, rng) for name in names}


def draw_leaf(leaf: Leaf, lead: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draws values `(*lead, *shape)` within the limits of `leaf`; where they are missing or huge, near zero or the nearest limit."""
    size = (*lead, *leaf.shape)
    if leaf.dtype.kind not in "iufb":
        return rng.integers(10, size=size).astype(str).astype(leaf.dtype)
    if np.all(leaf.low >= -_FAR) and np.all(leaf.high <= _FAR):
        if leaf.dtype.kind == "f":
            value = rng.uniform(leaf.low, leaf.high, size)
        else:
            value = rng.integers(np.ceil(leaf.low).astype(np.int64), np.floor(leaf.high).astype(np.int64), size, endpoint=True)
    else:
        value = np.clip(np.rint(3 * rng.standard_normal(size)), leaf.low, leaf.high)
    typed = np.asarray(value).astype(leaf.dtype)
    # Rounding to a smaller float may step over a limit.
    return np.clip(typed, leaf.low.astype(leaf.dtype), leaf.high.astype(leaf.dtype)) if leaf.dtype.kind == "f" else typed


def statistics_of(values: np.ndarray) -> Statistics:
    """Returns the statistics of `values` `(N, *shape)`."""
    values = np.asarray(values, dtype=np.float64)
    return Statistics(
        values.mean(0), values.std(0), values.min(0), values.max(0), len(values), np.quantile(values, QUANTILES, axis=0)
    )
