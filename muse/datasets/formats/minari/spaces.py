"""Spaces as Minari writes them down in `metadata.json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from muse.specs import Leaf

#: Minari takes a space of bytes for a picture from this size on [pixels], and packs it as JPEG unless told otherwise.
IMAGE_PIXELS = 32
_MAX_DEPTH = 16


def to_space(places: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Returns the space of spaces at places `a/b`: a Dict of Dicts; the space itself where the only place is `""`."""
    if list(places) == [""]:
        return places[""]
    inner: dict[str, dict[str, Mapping[str, Any]]] = {}
    for place, space in places.items():
        head, _, rest = place.partition("/")
        inner.setdefault(head, {})[rest] = space
    return {"type": "Dict", "subspaces": {name: to_space(spaces) for name, spaces in inner.items()}}


def to_box(leaf: Leaf) -> dict[str, Any]:
    """Returns the Box of a leaf. Whole numbers without limits get those of their type."""
    low, high = leaf.low, leaf.high
    if leaf.dtype.kind in "iu":
        limits = np.iinfo(leaf.dtype)
        # In floats the largest whole numbers round up, out of the type: the limits come from the type itself.
        values = [np.where(np.isfinite(side), side, 0).astype(np.float64) for side in (low, high)]
        low = np.where(values[0] > limits.min, values[0], 0).astype(leaf.dtype)
        low = np.where(np.isfinite(leaf.low) & (values[0] > limits.min), low, limits.min).astype(leaf.dtype)
        high = np.where(values[1] < float(limits.max), values[1], 0).astype(leaf.dtype)
        high = np.where(np.isfinite(leaf.high) & (values[1] < float(limits.max)), high, limits.max).astype(leaf.dtype)
    elif leaf.dtype.kind == "b":
        low, high = np.zeros(leaf.shape, bool), np.ones(leaf.shape, bool)
    else:
        with np.errstate(over="ignore"):
            low, high = low.astype(leaf.dtype), high.astype(leaf.dtype)
    return {
        "type": "Box", "dtype": str(leaf.dtype), "shape": list(leaf.shape), "low": low.tolist(), "high": high.tolist(),
    }  # fmt: skip


def spaces_in(space: Any, path: str = "", depth: int = 0) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yields path and description of every space of an array in a space as `metadata.json` has it; nothing for what is none."""
    if not isinstance(space, dict) or depth > _MAX_DEPTH:
        return
    inner = space.get("subspaces")
    if isinstance(inner, (dict, list)):
        items = inner.items() if isinstance(inner, dict) else ((f"_index_{number}", item) for number, item in enumerate(inner))
        for name, item in items:
            yield from spaces_in(item, f"{path}/{name}".lstrip("/"), depth + 1)
    elif isinstance(space.get("type"), str):
        yield path, space


def limits_of(space: Mapping[str, Any] | None, shape: tuple[int, ...], dtype: np.dtype) -> tuple[Any, Any] | None:
    """Returns low and high of a Box or a Discrete; None where it says none that fit the array."""
    try:
        if space is None or dtype.kind not in "fiu" or space["type"] not in ("Box", "Discrete"):
            return None
        if space["type"] == "Discrete":
            low, high = float(space["start"]), float(space["start"] + space["n"] - 1)
            return low, high
        sides = [np.asarray(space[side], np.float64).reshape(shape) for side in ("low", "high")]
        if dtype.kind in "iu":
            # What a type can hold at most is no limit that anybody set.
            ends = np.iinfo(dtype)
            if dtype.itemsize > 1:
                sides[0][sides[0] <= ends.min], sides[1][sides[1] >= ends.max] = -np.inf, np.inf
        return (sides[0], sides[1]) if (sides[0] <= sides[1]).all() else None
    except (KeyError, TypeError, ValueError):
        return None


def image_shape(box: Mapping[str, Any] | None) -> tuple[int, ...]:
    """Returns the shape of a picture that Minari may have packed as JPEG; empty for any other space."""
    shape = box.get("shape") if box else None
    if not isinstance(shape, list) or len(shape) not in (2, 3) or box is None or box.get("dtype") != "uint8":
        return ()
    sizes = tuple(size for size in shape if isinstance(size, int) and 0 < size < 2**15)
    return sizes if len(sizes) == len(shape) and min(sizes[:2]) >= IMAGE_PIXELS else ()
