"""Plain functions over the values of a config: what is a group, copies, paths, JSON."""

from __future__ import annotations

import copy
import dataclasses
import math
import types
from collections.abc import Iterator, Mapping
from typing import Any

from configs.fields import Field, Overridden, Replacement


def is_group(value: Any) -> bool:
    """Whether a value is a group: a mapping with a `cls`, a replacement, or a node of its own kind (`configs.config_node`)."""
    if isinstance(value, Mapping):
        return "cls" in value
    return isinstance(value, Replacement) or hasattr(value, "is_config_node")


def is_plain_node(value: Any) -> bool:
    """Whether a value is a nested dict of local values, addressed as `a/b`."""
    return isinstance(value, dict) and "cls" not in value and all(isinstance(key, str) for key in value)


def by_reference(value: Any) -> bool:
    """Whether a copy of a tree shares this value: immutable ones, classes, callables, modules, fields."""
    return (
        value is None or isinstance(value, (str, int, float, bool, type, types.ModuleType, Field, Overridden)) or callable(value)
    )


def own_copy(value: Any, groups: bool = False) -> Any:
    """Returns a deep copy in plain dicts.

    Args:
        value: Anything.
        groups: Whether groups are copied too, as dicts; else they are kept as they stand, for whoever opens them.
    """
    if isinstance(value, Replacement) and groups:
        return own_copy(value.group, True)
    if by_reference(value) or (is_group(value) and not groups):
        return value
    if isinstance(value, dict):
        view: Any = value
        items = view.unread_copy().items() if hasattr(type(view), "is_view") else view.items()
        return {key: own_copy(item, groups) for key, item in items}
    if type(value) in (list, tuple):
        return type(value)(own_copy(item, True) for item in value)
    return copy.deepcopy(value)


def hand_out(value: Any) -> Any:
    """Returns a deep copy in which every dict whose keys are strings is an `AttrDict`."""
    from attrdict import AttrDict

    if by_reference(value):
        return value
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        out = AttrDict()
        for key, item in value.items():
            # Past AttrDict's own assignment, which would open a node at every slash of a key.
            super(AttrDict, out).__setitem__(key, hand_out(item))
        return out
    if isinstance(value, dict):
        return {key: hand_out(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(hand_out(item) for item in value)
    return copy.deepcopy(value)


def locate(values: dict[str, Any], path: str) -> tuple[dict[str, Any], str] | None:
    """Returns the dict and the key under which `path` stands in nested dicts; None where there is no such path."""
    if path in values:
        return values, path
    head, slash, tail = path.partition("/")
    while slash:
        if head in values and is_plain_node(values[head]):
            found = locate(values[head], tail)
            if found:
                return found
        more, slash, tail = tail.partition("/")
        head += "/" + more
    return None


def leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields path and value of everything that is no mapping with string keys, and of empty ones."""
    for key, item in value.items():
        if isinstance(item, Mapping) and item and all(isinstance(name, str) for name in item):
            yield from leaves(item, f"{prefix}{key}/")
        else:
            yield prefix + str(key), item


def to_json(value: Any) -> Any:
    """Returns a value that JSON can hold: classes and callables as their qualified names, arrays as lists, other objects as
    their `repr`, or as the name of their class where that holds an address.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((to_json(item) for item in value), key=str)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return qualified_name(value)
    if hasattr(value, "tolist"):
        return to_json(value.tolist())
    if dataclasses.is_dataclass(value):
        fields = {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": qualified_name(type(value)), **fields}
    if hasattr(value, "func") and hasattr(value, "keywords"):
        return {"partial": to_json(value.func), "args": to_json(value.args), "keywords": to_json(value.keywords)}
    text = repr(value)
    return qualified_name(type(value)) if " at 0x" in text else text


def qualified_name(value: Any) -> str:
    """Returns `"module.Class"` or `"module.function"`."""
    module = getattr(value, "__module__", None)
    return f"{module}.{value.__qualname__}" if module else str(value.__qualname__)
