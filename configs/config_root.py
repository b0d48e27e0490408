"""A resolved config: what scripts get as `root`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from configs.command_line import to_text
from configs.config_node import ConfigNode
from configs.errors import ConfigError
from configs.known_keys import check_known
from configs.naming import name_of
from configs.resolving import Resolver, plain
from configs.values import hand_out, leaves, to_json


class ConfigRoot:
    """The tree of a config, opened with a command line and resolved.

    Args:
        node: The opened root.
        reads: Keys of the root that the script reads; None leaves them unchecked.
        text: The source that an experiment folder archives.
        tokens: What stood after the config, in an order that can be read again.
        find_changes: Tells how values differ from those of an experiment folder.

    Raises:
        ConfigError: For a field, a name or a key that is wrong.
    """

    def __init__(
        self,
        node: ConfigNode,
        reads: Iterable[str] | None = None,
        text: str = "",
        tokens: Sequence[str] = (),
        find_changes: Callable[[], list[str]] = list,
    ) -> None:
        self.node = node
        self._text, self._tokens, self._find_changes = text, tuple(tokens), find_changes
        resolver = Resolver(node)
        resolver.resolve()
        self._names = {inner.path: name_of(resolver, inner) for inner in node.walk()}
        check_known(resolver, reads)

    def get_params(self) -> Any:
        """Returns a new `AttrDict` of all values; classes and callables are the recipe's own, everything else a copy."""
        return hand_out(plain(self.node))

    def get_exp_name(self) -> str:
        """Returns the experiment's name: the parts of all groups, depth first, without separators."""
        return "".join(self._names.values())

    def get_config_text(self) -> str:
        """Returns the source of the config, to archive as `config.py`."""
        return self._text

    def get_args_text(self) -> str:
        """Returns what stood after the config, those inherited from `exp=` included, to archive as `config_args.txt`."""
        return to_text(self._tokens)

    def get_resolved_json(self) -> dict[str, Any]:
        """Returns all values as JSON can hold them, to archive as `config_resolved.json`."""
        resolved: dict[str, Any] = to_json(plain(self.node))
        return resolved

    def get_origins(self) -> list[tuple[str, Any, str]]:
        """Returns a row `(path, value, origin)` for each value.

        The origin is `recipe`, `class default`, `field`, `command line`, `default_params` (of the class or a `ConfigNode`)
        or `process_params`.
        """
        rows: list[tuple[str, Any, str]] = []
        _add_rows(self.node, self.node.values, "", rows)
        return rows

    def get_changes(self) -> list[str]:
        """Returns a sentence for each value that no longer resolves as the experiment folder says; none for a recipe."""
        return self._find_changes()


def _add_rows(node: ConfigNode, values: dict[str, Any], local: str, rows: list[tuple[str, Any, str]]) -> None:
    for key, value in values.items():
        path = f"{local}{key}"
        if isinstance(value, ConfigNode):
            _add_rows(value, value.values, "", rows)
        elif isinstance(value, dict) and value and all(isinstance(name, str) for name in value):
            _add_rows(node, value, path + "/", rows)
        else:
            rows.append((f"{node.path}/{path}" if node.path else path, value, node.origin(path)))


def describe_changes(then: dict[str, Any], find_now: Callable[[], dict[str, Any]]) -> list[str]:
    """Returns a sentence for each value that differs.

    Args:
        then: The resolved tree of the experiment folder.
        find_now: Gives the tree that the same config and arguments come to now.
    """
    try:
        now = dict(leaves(find_now()))
    except ConfigError as error:
        return [f"the archived config and arguments no longer resolve: {error}"]
    before = dict(leaves(then))
    changes = []
    for path in sorted({**before, **now}):
        if path not in now:
            changes.append(f"{path} was {_show(before[path])} and is gone")
        elif path not in before:
            changes.append(f"{path} is new: {_show(now[path])}")
        elif before[path] != now[path] or type(before[path]) is not type(now[path]):
            changes.append(f"{path} was {_show(before[path])} and is {_show(now[path])} now")
    return changes


def _show(value: Any) -> str:
    return json.dumps(value)
