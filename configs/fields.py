"""Values of a recipe that depend on other values of the tree.

    export = d(
        horizon=10,
        dataset=d(cls=NpDataset, horizon=Field("horizon")),                            # the root's
        policy=d(cls=GCBCPolicy, replan_horizon=Field("horizon", lambda h: 2 * h)),    # a function of it
    )

An anchor is looked up in the values of the field's own group first (sub-groups included), then as a path from the root; `../x`
climbs. An anchor with the field's own name means the nearest one above. A field may stand on another field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from configs.errors import ReplacementError


def first(*values: Any) -> Any:
    """Returns the first value."""
    return values[0]


class Field:
    """A value computed from other values of the tree, after the command line.

    Args:
        anchors: Path of a value, or several.
        fn: Gets the anchors' values, returns the field's. A whole group arrives as a view of its resolved values.

    Raises:
        TypeError: When an anchor is no path, or `fn` no function.
    """

    __slots__ = ("anchors", "fn")

    def __init__(self, anchors: str | Sequence[str], fn: Callable[..., Any] = first) -> None:
        self.anchors: tuple[str, ...] = (anchors,) if isinstance(anchors, str) else tuple(anchors)
        self.fn = fn
        if not self.anchors or not all(isinstance(anchor, str) and anchor for anchor in self.anchors):
            raise TypeError(f"Field({anchors!r}): expected the path of a value, or a list of paths")
        if not callable(fn):
            raise TypeError(f"Field({anchors!r}, {fn!r}): expected a function of {len(self.anchors)} values")

    def __repr__(self) -> str:
        anchors = repr(self.anchors[0]) if len(self.anchors) == 1 else repr(list(self.anchors))
        return f"Field({anchors})" if self.fn is first else f"Field({anchors}, {getattr(self.fn, '__name__', self.fn)})"


class Overridden:
    """A `Field` that the command line sets, and whose type is not known before it: the value will have the field's own type.

    Args:
        field: What the recipe has.
        option, given: How `configs.command_line` calls it, and what came.
    """

    __slots__ = ("field", "given", "option")

    def __init__(self, field: Field, option: Any, given: Any) -> None:
        self.field, self.option, self.given = field, option, given


class Replacement:
    """A group that replaces, in a merge, what stood under its name, instead of being merged with it. Made by `replace`.

    To merge it with more, merge it first: `base & d(model=base.model & d(hidden_size=3))`.
    """

    __slots__ = ("group",)

    def __init__(self, group: Any) -> None:
        self.group = group

    def __and__(self, other: Any) -> Replacement:
        return Replacement(self.group & other)

    def leaf_items(self) -> Any:
        """Raises: this is what `AttrDict` asks for when it is to be merged with a replacement."""
        raise ReplacementError()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "group":
            raise AttributeError(name)
        return getattr(self.group, name)

    def __getitem__(self, key: str) -> Any:
        return self.group[key]

    def __repr__(self) -> str:
        return f"replace({self.group!r})"


def replace(group: Mapping[str, Any]) -> Replacement:
    """Makes a group that takes the place of another in `&`, so that none of the old one's options linger.

        export = base.export & d(model=replace(d(cls=OtherModel, size=3)))

    Raises:
        TypeError: When it is no group.
    """
    if not isinstance(group, Mapping) or "cls" not in group:
        raise TypeError(f"replace({group!r}): expected a group, d(cls=..., ...)")
    return Replacement(group)
