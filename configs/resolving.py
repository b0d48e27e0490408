"""Fields: from opened groups to values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from configs.command_line import Untyped, read
from configs.config_node import ConfigNode
from configs.errors import AnchorError, ConfigError, CycleError, FunctionError, NotAnOptionError
from configs.fields import Field, Overridden
from configs.options import check_declared, declared_arguments, infer_type
from configs.values import by_reference, hand_out, is_plain_node, own_copy
from configs.views import View


class Resolver:
    """Computes every field of a tree, once.

    Attributes:
        root: The opened tree. Fields in its values give way to what they come to.
        reads: Paths that a field or a name has read.
    """

    def __init__(self, root: ConfigNode) -> None:
        self.root = root
        self.reads: set[str] = set()
        self._waiting: list[str] = []

    def resolve(self) -> None:
        """Computes every field, and brings every value to the type that its class declares."""
        for node in self.root.walk():
            self._settle_all(node, node.values, "")
        for node in self.root.walk():
            for name, argument in declared_arguments(node.cls).items():
                if name in node.values and not isinstance(node.values[name], (ConfigNode, dict)):
                    node.values[name] = check_declared(argument, node.values[name], node.path)
            for name in node.added & set(node.values):
                node.values[name] = check_declared(node.options[name], node.values[name], node.path)

    def _settle_all(self, node: ConfigNode, values: dict[str, Any], prefix: str) -> None:
        for key, value in list(values.items()):
            if is_plain_node(value):
                self._settle_all(node, value, f"{prefix}{key}/")
            else:
                self._settle(node, values, key, prefix + key)

    def _settle(self, node: ConfigNode, values: dict[str, Any], key: str, local: str) -> Any:
        """Returns the value under `key`, its fields computed."""
        value = values[key]
        if not _has_field(value):
            return value
        path = join_path(node.path, local)
        if path in self._waiting:
            raise CycleError([*self._waiting[self._waiting.index(path) :], path])
        self._waiting.append(path)
        try:
            result = self._compute(value, node, local)
            argument = declared_arguments(node.cls).get(local)
            values[key] = result if argument is None or isinstance(result, dict) else check_declared(argument, result, node.path)
        finally:
            self._waiting.pop()
        return values[key]

    def _compute(self, value: Any, node: ConfigNode, local: str) -> Any:
        if isinstance(value, Field):
            return self._compute_field(value, node, local)
        if isinstance(value, Overridden):
            return self._override(value, node, local)
        if type(value) in (list, tuple):
            return type(value)(self._compute(item, node, local) for item in value)
        if type(value) is dict:
            return {key: self._compute(item, node, local) for key, item in value.items()}
        return value

    def _compute_field(self, field: Field, node: ConfigNode, local: str) -> Any:
        values = [self._anchor(anchor, node, local) for anchor in field.anchors]
        path = join_path(node.path, local)
        try:
            result = field.fn(*values)
        except ConfigError:
            raise
        except Exception as error:
            raise FunctionError(path, repr(field), error) from error
        return self._compute(own_copy(result, groups=True), node, local)

    def _override(self, value: Overridden, node: ConfigNode, local: str) -> Any:
        given: Untyped = value.given
        usual = self._compute_field(value.field, node, local)
        kind, element = infer_type(usual)
        if kind in (..., None):
            raise NotAnOptionError(node.path, value.option.flag, usual)
        option = type(value.option)(value.option.name, kind, element)
        return read(option, given.words, given.negated, node.path)

    # Anchors.

    def _anchor(self, anchor: str, node: ConfigNode, local: str) -> Any:
        """Returns what a field gets for an anchor."""
        where = join_path(node.path, local)
        found = None
        if anchor == local:
            above = node.parent
            while above is not None and not (found := self.look(above, anchor)):
                above = above.parent
            if not found:
                raise AnchorError(where, anchor, "finds nothing of its own name above")
        elif anchor.startswith("../") or anchor == "..":
            start: ConfigNode | None = node
            rest = anchor
            while rest == ".." or rest.startswith("../"):
                start, rest = (start.parent if start else None), rest[3:]
            if start is None:
                raise AnchorError(where, anchor, "climbs above the root")
            if not rest:
                return self.view_node(start)
            found = self.look(start, rest)
        else:
            found = self.look(node, anchor) or self.look(self.root, anchor)
        if not found:
            names = [
                f"{'../' * anchor.count('../')}{name}" for near in {node, node.parent or node, self.root} for name in near.values
            ]
            raise AnchorError(where, anchor, "finds no such value", sorted({*names, *paths_below(self.root)}))
        return found[0]

    def look(self, node: ConfigNode, path: str) -> tuple[Any] | None:
        """Returns the value under `path` from `node`, in a tuple, or None where there is none."""
        holder, values, local = node, node.values, ""
        rest = path
        while True:
            key = rest if rest in values else rest.partition("/")[0]
            if key not in values:
                return None
            rest = rest[len(key) + 1 :]
            local = f"{local}/{key}" if local else key
            self.reads.add(join_path(holder.path, local))
            value = values[key]
            if isinstance(value, ConfigNode):
                if not rest:
                    return (self.view_node(value),)
                holder, values, local = value, value.values, ""
                continue
            value = value if is_plain_node(value) else self._settle(holder, values, key, local)
            if not rest:
                return (self._shown(holder, value, local),)
            if not isinstance(value, dict):
                return None
            values = value

    def _shown(self, node: ConfigNode, value: Any, local: str) -> Any:
        """Returns a value as a function of the recipe sees it: dicts as views, the rest as copies."""
        if isinstance(value, ConfigNode):
            return self.view_node(value)
        if is_plain_node(value) or (isinstance(value, dict) and "cls" in value):
            return self._view(node, value, local)
        return value if by_reference(value) else hand_out(value)

    def view_node(self, node: ConfigNode) -> View:
        """Returns a group as a function of the recipe sees it."""
        return self._view(node, node.values, "")

    def _view(self, node: ConfigNode, values: dict[str, Any], local: str) -> View:
        def read_key(key: str) -> Any:
            inner = f"{local}/{key}" if local else key
            self.reads.add(join_path(node.path, inner))
            value = values[key]
            if not isinstance(value, ConfigNode) and not is_plain_node(value):
                value = self._settle(node, values, key, inner)
            return self._shown(node, value, inner)

        def whole() -> Any:
            self._settle_below(node, values, local)
            return hand_out(plain(values))

        return View.of(iter(values), read_key, whole)

    def _settle_below(self, node: ConfigNode, values: dict[str, Any], local: str) -> None:
        self._settle_all(node, values, f"{local}/" if local else "")
        for value in _nodes(values):
            for child in value.walk():
                self._settle_all(child, child.values, "")


def plain(value: Any) -> Any:
    """Returns resolved values with every node as the dict of its values."""
    if isinstance(value, ConfigNode):
        return plain(value.values)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _has_field(value: Any) -> bool:
    if isinstance(value, (Field, Overridden)):
        return True
    if type(value) in (list, tuple):
        return any(map(_has_field, value))
    return type(value) is dict and any(map(_has_field, value.values()))


def _nodes(values: dict[str, Any]) -> Iterator[ConfigNode]:
    for value in values.values():
        if isinstance(value, ConfigNode):
            yield value
        elif isinstance(value, dict):
            yield from _nodes(value)


def paths_below(node: ConfigNode) -> list[str]:
    """Returns every path below a node, groups included."""
    paths = []
    for inner in node.walk():
        start = inner.path[len(node.path) :].lstrip("/")
        paths += ([start] if start else []) + [join_path(start, key) for key in inner.values]
    return paths


def join_path(path: str, local: str) -> str:
    """Returns `path/local`, where either may be empty."""
    return f"{path}/{local}" if path and local else path or local
