"""A group of a config: its own values, and the groups inside it.

A recipe needs only `d(cls=..., ...)`. For a config that computes, `export` a subclass:

    class ChainConfig(ConfigNode):
        default_cls = Chain
        default_params = d(length=3)
        default_local_exp_name = "_chain{length}"

        def declare_arguments(self, options):
            options.add("width", type=int, default=64, help="of each link")

        def process_params(self, params):
            for i in range(params.length):
                params[f"link_{i}"] = d(cls=Link, width=params.width)   # a group: %link_0 --width 8
            return params
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from configs.command_line import SCALARS, Option, Segment, Untyped, is_flag, parse
from configs.errors import ConfigError, ExportError, FunctionError, MergeError, UnknownGroupError, ValueAsGroupError
from configs.fields import Field, Overridden, Replacement
from configs.options import (
    NAME_OPTIONS,
    argument_option,
    check_declared,
    class_defaults,
    declared_arguments,
    signature_options,
    value_options,
)
from configs.sources import load_group
from configs.values import hand_out, is_group, is_plain_node, leaves, locate, own_copy


class _ConfigNodeType(type):
    """Refuses `&` of a `ConfigNode` subclass, from both sides (`AttrDict.__and__` asks the right one for `leaf_items`)."""

    def __and__(cls, other: Any) -> Any:
        raise MergeError(cls.__name__)

    def leaf_items(cls) -> Any:
        raise MergeError(cls.__name__)


class Options:
    """What `ConfigNode.declare_arguments` adds options to."""

    def __init__(self, node: ConfigNode) -> None:
        self._node = node

    def add(
        self,
        name: str,
        type: Any = None,
        default: Any = None,
        help: str = "",
        unit: str = "",
        choices: Sequence[Any] | None = None,
        element_type: Any = None,
    ) -> None:
        """Adds an option; the arguments are those of `Argument` (`muse.utils.abstract`).

        Raises:
            TypeError: When the type is none that a command line can give.
        """
        if type not in (*SCALARS, list) or (type is list and element_type not in SCALARS):
            raise TypeError(f"option '{name}': type {type!r}; expected float, int, str, bool, or list with an element_type")
        chosen = None if choices is None else tuple(choices)
        self._node.options[name] = Option(name, type, element_type, help, unit, chosen)
        self._node.added.add(name)
        if name not in self._node.values:
            self._node.set_value(name, own_copy(default, groups=True), "class default")


class ConfigNode(metaclass=_ConfigNodeType):
    """One group. Nodes are made while a config resolves, anew each time; user code only makes subclasses.

    Attributes:
        name: Key in the parent; empty for the root.
        path: Path from the root (`"model/action_decoder"`); empty for the root.
        parent: The group that holds it.
        values: Own values in nested dicts, with a `ConfigNode` for each group inside.
        options: What the command line can set, by name.
        origins: Where each own value came from, by local path.
        added: Names of options from `declare_arguments`.
    """

    #: The class of the object that the group describes.
    default_cls: ClassVar[Any] = None
    #: Values that the group has, groups included.
    default_params: ClassVar[Mapping[str, Any]] = {}
    #: The group's part of the experiment's name.
    default_local_exp_name: ClassVar[str | Callable[..., str]] = ""
    #: Options of the class that the command line does not show and the group does not fill in.
    default_cls_skip_args: ClassVar[Sequence[str]] = ()

    #: How `configs.values.is_group` knows a subclass, and a node, without importing this module.
    is_config_node = True

    def __init__(
        self, name: str = "", parent: ConfigNode | None = None, values: Mapping[str, Any] | None = None, origin: str = "recipe"
    ) -> None:
        self.name, self.parent = name, parent
        self.path: str = f"{parent.path}/{name}" if parent is not None and parent.path else name
        self.options: dict[str, Option] = {}
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.added: set[str] = set()
        defaults = dict(self.default_params)
        if self.default_cls is not None:
            defaults = {"cls": self.default_cls, **defaults}
        if self.default_local_exp_name != "":
            defaults.setdefault("exp_name", self.default_local_exp_name)
        for key, value in defaults.items():
            self.set_value(key, own_copy(value), "default_params")
        for key, value in (values or {}).items():
            self.set_value(key, own_copy(value), origin)
        if isinstance(self.cls, Field):
            raise ConfigError(
                self.path, "'cls' is a Field; expected a class", "replace(...) in the recipe, or a source on the command line"
            )

    # What a subclass may override.

    def declare_arguments(self, options: Options) -> None:
        """Adds options (`options.add`) to those of the class and of the values."""

    def process_params(self, params: Any) -> Any:
        """Returns the group's values after its command line, changed as it likes: further values, fields, groups.

        Args:
            params: An `AttrDict` of the group's own. A value that is a `Field` is still one here; what depends on it is a
                `Field` too. Groups stand here unopened.
        """
        return params

    # What others read.

    @property
    def cls(self) -> Any:
        """The class of the object that the group describes, or None."""
        return self.values.get("cls")

    @property
    def children(self) -> dict[str, ConfigNode]:
        """The groups inside, by name (a path where they stand in a nested dict)."""
        return {name: group for name, group in _groups(self.values) if isinstance(group, ConfigNode)}

    @property
    def names(self) -> list[str]:
        """The names of the groups from the root to this one, the root's left out."""
        return [*self.parent.names, self.name] if self.parent is not None else []

    @property
    def spelling(self) -> str:
        """How a command line opens this group: `"%model %%action_decoder"`."""
        return " ".join("%" * depth + name for depth, name in enumerate(self.names, 1))

    def walk(self) -> Iterator[ConfigNode]:
        """Yields this node and all below, depth first."""
        yield self
        for child in self.children.values():
            yield from child.walk()

    def set_value(self, key: str, value: Any, origin: str) -> None:
        """Sets an own value, a slash path where it stands in nested dicts."""
        container, last = locate(self.values, key) or (self.values, key)
        container[last] = value
        self.origins[key] = "field" if isinstance(value, Field) else origin
        if is_plain_node(value):
            self.origins.update({f"{key}/{path}": "field" if isinstance(leaf, Field) else origin for path, leaf in leaves(value)})

    def origin(self, path: str) -> str:
        """Returns where the value under a local path came from."""
        return _longest(self.origins, path)

    # Opening: declare, apply the command line, open the groups inside.

    def open(self, segments: Sequence[Segment]) -> ConfigNode:
        """Declares the options, applies the command line's segments for this group, and opens the groups inside."""
        self._declare()
        tokens = [token for segment in segments for token in segment.tokens]
        for name, value in parse(tokens, self.options, self.path).items():
            if isinstance(value, Untyped):
                container, key = locate(self.values, name) or (self.values, name)
                value = Overridden(container[key], self.options[name], value)
            self.set_value(name, value, "command line")
        self._process()
        self._open_groups([child for segment in segments for child in segment.children])
        return self

    def _declare(self) -> None:
        skipped = set(self.default_cls_skip_args)
        arguments = {name: argument for name, argument in declared_arguments(self.cls).items() if name not in skipped}
        defaults = class_defaults(self.cls)
        options: dict[str, Option] = {}
        for name, argument in arguments.items():
            option = argument_option(argument, self.values.get(name, argument.default))
            if option is not None and not is_group(self.values.get(name)) and not is_plain_node(self.values.get(name)):
                options[name] = option
            if name in self.values and not isinstance(self.values[name], (Field, dict)) and not is_group(self.values[name]):
                self.values[name] = check_declared(argument, self.values[name], self.path)
        for name, (value, origin) in defaults.items():
            if name not in self.values and name not in skipped:
                self.set_value(name, own_copy(value), origin)
        for option in value_options({key: value for key, value in self.values.items() if key not in skipped}):
            if option.name not in arguments:
                options[option.name] = option
        for option in signature_options(self.cls):
            if option.name not in skipped:
                options.setdefault(option.name, option)
        options.update({option.name: option for option in NAME_OPTIONS})
        self.options = options
        self.declare_arguments(Options(self))

    def _process(self) -> None:
        if type(self).process_params is ConfigNode.process_params:
            return
        before = dict(leaves(self.values))
        try:
            params = hand_out(own_copy(self.values, groups=True))
            result = self.process_params(params)
        except ConfigError:
            raise
        except Exception as error:
            raise FunctionError(self.path, "process_params", error) from error
        origins, self.values, self.origins = self.origins, {}, {}
        for key, value in (params if result is None else result).items():
            self.set_value(key, own_copy(value), "process_params")
        for path, value in leaves(self.values):
            if path in before and same(before[path], value):
                self.origins[path] = _longest(origins, path)

    def _open_groups(self, segments: Sequence[Segment]) -> None:
        for name, group in list(_groups(self.values)):
            mine = [segment for segment in segments if segment.name == name]
            container, key = locate(self.values, name) or (self.values, name)
            container[key] = self._open_group(name, group, mine)
        names = self.children
        for segment in segments:
            if segment.name not in names:
                if not segment.tokens or is_flag(segment.tokens[0]):
                    raise UnknownGroupError(self.path, "%" * (len(self.names) + 1) + segment.name, names)
                if not isinstance(self.values.get(segment.name), (type(None), Field)):
                    raise ValueAsGroupError(self.path, segment.name, self.values[segment.name])
                mine = [other for other in segments if other.name == segment.name]
                self.set_value(segment.name, self._open_group(segment.name, None, mine), "command line")
                names = self.children

    def _open_group(self, name: str, group: Any, segments: list[Segment]) -> ConfigNode:
        """Opens a group from the last source that the command line gives for it, or as the recipe has it."""
        origin = ""
        for position in reversed(range(len(segments))):
            tokens = segments[position].tokens
            if tokens and not is_flag(tokens[0]):
                group, origin = load_group(tokens[0], f"{self.path}/{name}".lstrip("/")), "command line"
                segments = [Segment(name, tokens[1:], segments[position].children), *segments[position + 1 :]]
                break
        node = make_node(group, name, self, "recipe" if origin else self.origin(name))
        if origin:
            node.origins["cls"] = origin
        return node.open(segments)


def make_node(group: Any, name: str = "", parent: ConfigNode | None = None, origin: str = "recipe") -> ConfigNode:
    """Makes the node of an export: a mapping (whose values have the given origin), a replacement, or a `ConfigNode` subclass.

    Raises:
        ExportError: When it is none of these.
    """
    if isinstance(group, Replacement):
        group = group.group
    if isinstance(group, type) and issubclass(group, ConfigNode):
        return group(name, parent)
    if isinstance(group, Mapping):
        return ConfigNode(name, parent, group, origin)
    raise ExportError(name or "config", group)


def same(first: Any, second: Any) -> bool:
    """Whether two values are equal; arrays, whose equality is no bool, only when they are one object."""
    if first is second:
        return True
    try:
        return type(first) is type(second) and bool(first == second)
    except Exception:
        return False


def _longest(origins: Mapping[str, str], path: str) -> str:
    while path not in origins and "/" in path:
        path = path.rpartition("/")[0]
    return origins.get(path, "recipe")


def _groups(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if is_group(value):
            yield prefix + key, value
        elif is_plain_node(value):
            yield from _groups(value, f"{prefix}{key}/")
