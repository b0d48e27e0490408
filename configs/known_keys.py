"""Which keys of a group are known, and which are mistakes."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from configs.config_node import ConfigNode
from configs.errors import UnknownKeyError
from configs.options import RESERVED_KEYS, declared_arguments
from configs.resolving import Resolver, join_path
from configs.values import is_group


def check_known(resolver: Resolver, reads: Iterable[str] | None) -> None:
    """Checks that every key is declared by its class, or read by a field, a name or a script.

    Args:
        reads: Keys of the root that the script reads, `*` for any letters; None leaves the root unchecked.

    Raises:
        UnknownKeyError: For the first key that is not.
    """
    for node in resolver.root.walk():
        declared = set(declared_arguments(node.cls))
        patterns: tuple[str, ...] = ()
        if node is resolver.root:
            if reads is None:
                continue
            patterns = tuple(reads)
        elif not declared:
            continue
        listed = _listed(node, declared)
        own = declared | node.added | {name for name in listed if is_group(node.values.get(name))}
        for key, value in node.values.items():
            is_read = join_path(node.path, key) in resolver.reads or any(
                fnmatch.fnmatchcase(key, pattern) for pattern in patterns
            )
            if key not in own and key not in RESERVED_KEYS and not is_read:
                names = declared | node.added | {pattern for pattern in patterns if "*" not in pattern}
                group = isinstance(value, ConfigNode)
                raise UnknownKeyError(node.path, key, sorted(names | listed if group else names), group)


def _listed(node: ConfigNode, declared: set[str]) -> set[str]:
    """Returns the texts in the node's declared lists: groups that these name (`model_order`) belong to its class."""
    lists = [node.values[name] for name in declared if isinstance(node.values.get(name), (list, tuple))]
    return {item for value in lists for item in value if isinstance(item, str)}
