"""Gymnasium's spaces and the leaves of a spec, one made from the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from muse.envs.env import EnvError
from muse.specs import Leaf


def flatten_space(space: gymnasium.Space, name: str) -> Iterator[tuple[str, gymnasium.Space]]:
    """Yields the simple spaces inside `space` with their slash paths: keys of a `Dict`, numbers of a `Tuple`."""
    if isinstance(space, spaces.Dict):
        for key, inner in space.spaces.items():
            yield from flatten_space(inner, f"{name}/{key}")
    elif isinstance(space, spaces.Tuple):
        for i, inner in enumerate(space.spaces):
            yield from flatten_space(inner, f"{name}/{i}")
    else:
        yield name, space


def space_to_leaf(name: str, space: gymnasium.Space, role: str, where: str) -> Leaf:
    """Returns the leaf of a simple space. Scalars get shape `(1,)`.

    Raises:
        EnvError: For a space whose values have no fixed shape (`Text`, `Graph`, `Sequence`, `OneOf`).
    """
    if isinstance(space, spaces.Box):
        shape = space.shape or (1,)
        return Leaf(name, shape, np.reshape(space.low, shape), np.reshape(space.high, shape), space.dtype, role=role)
    if isinstance(space, spaces.Discrete):
        return Leaf(name, (1,), space.start, space.start + space.n - 1, np.dtype(np.int64), role=role)
    if isinstance(space, spaces.MultiDiscrete):
        return Leaf(name, space.shape, space.start, space.start + space.nvec - 1, space.dtype, role=role)
    if isinstance(space, spaces.MultiBinary):
        return Leaf(name, space.shape, 0, 1, space.dtype, role=role)
    raise EnvError(
        f"{where}: '{name}'",
        f"a space {type(space).__name__}",
        "Box, Discrete, MultiDiscrete, MultiBinary, Dict or Tuple",
        "an observation or action wrapper of gymnasium",
    )


def flatten_value(space: gymnasium.Space, value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yields the simple values inside a value of `space`, named as `flatten_space` names them."""
    if isinstance(space, spaces.Dict):
        for key, inner in space.spaces.items():
            yield from flatten_value(inner, value[key], f"{name}/{key}")
    elif isinstance(space, spaces.Tuple):
        for i, inner in enumerate(space.spaces):
            yield from flatten_value(inner, value[i], f"{name}/{i}")
    else:
        yield name, value


def unflatten_value(space: gymnasium.Space, flat: Mapping[str, np.ndarray], name: str) -> Any:
    """Returns the value of `space` made of `flat`, the reverse of `flatten_value`."""
    if isinstance(space, spaces.Dict):
        return {key: unflatten_value(inner, flat, f"{name}/{key}") for key, inner in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(unflatten_value(inner, flat, f"{name}/{i}") for i, inner in enumerate(space.spaces))
    if isinstance(space, spaces.Discrete):
        return np.int64(flat[name][0])
    return flat[name].reshape(space.shape)


def leaf_to_space(leaf: Leaf) -> gymnasium.Space:
    """Returns the space of a leaf, so that `space_to_leaf` of it gives the leaf back.

    Raises:
        EnvError: For strings, which no space of fixed size holds.
    """
    if leaf.dtype.kind not in "iufb":
        raise EnvError(f"spec leaf '{leaf.name}'", f"dtype {leaf.dtype}", "numbers, for a gymnasium space")
    if leaf.dtype == np.int64 and leaf.is_bounded and len(leaf.shape) == 1:
        counts, start = (leaf.high - leaf.low + 1).astype(np.int64), leaf.low.astype(np.int64)
        if leaf.shape == (1,):
            return spaces.Discrete(int(counts[0]), start=int(start[0]))
        return spaces.MultiDiscrete(counts, start=start)
    if leaf.dtype == np.int8 and np.all(leaf.low == 0) and np.all(leaf.high == 1):
        return spaces.MultiBinary(leaf.shape)
    low, high = leaf.low, leaf.high
    if leaf.dtype.kind == "f":
        # Limits such as 1e308 are infinite in a smaller type.
        with np.errstate(over="ignore"):
            low, high = low.astype(leaf.dtype), high.astype(leaf.dtype)
    elif leaf.dtype.kind in "iu":
        info = np.iinfo(leaf.dtype)
        low, high = np.maximum(low, info.min).astype(leaf.dtype), _capped(high, info.max, leaf.dtype)
    else:
        low, high = low.astype(bool), high.astype(bool)
    return spaces.Box(low, high, leaf.shape, leaf.dtype.type)


def _capped(high: np.ndarray, largest: int, dtype: np.dtype) -> np.ndarray:
    # float64 rounds the largest 64-bit integer up, out of the type.
    return np.where(high >= largest, largest, np.minimum(high, largest - 2**11 if largest > 2**53 else largest)).astype(dtype)
