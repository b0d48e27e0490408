"""Made-up specs and values for checks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from muse.specs import EnvSpec, Statistics

#: Limits beyond this are none for the purpose of making values up.
_FAR = 1e3


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
    """Draws `names` `(*lead, *shape)` within their limits, each element on its own."""
    drawn = {}
    for name in names:
        leaf = env_spec.leaf(name)
        size = (*lead, *leaf.shape)
        low, high = np.maximum(leaf.low, -_FAR), np.minimum(leaf.high, _FAR)
        value: np.ndarray
        if leaf.dtype.kind in "iub":
            value = rng.integers(low.astype(np.int64), high.astype(np.int64), size=size, endpoint=True)
        elif leaf.is_bounded:
            value = rng.uniform(low, high, size)
        else:
            value = np.clip(rng.standard_normal(size), leaf.low, leaf.high)
        drawn[name] = value.astype(leaf.dtype)
    return drawn


def statistics_of(values: np.ndarray) -> Statistics:
    """Returns the statistics of `values` `(N, *shape)`."""
    values = np.asarray(values, dtype=np.float64)
    return Statistics(values.mean(0), values.std(0), values.min(0), values.max(0), len(values))
