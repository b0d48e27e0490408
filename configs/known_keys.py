"""Which keys of a group are known, and which are mistakes."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from configs.config_node import ConfigNode
from configs.errors import UnknownKeyError
from configs.options import RESERVED_KEYS, declared_arguments
from configs.resolving import Resolver, join_path


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
        known = declared | node.added | set(RESERVED_KEYS) | _listed(node, declared)
        for key, value in node.values.items():
            if (
                key in known
                or join_path(node.path, key) in resolver.reads
                or any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns)
            ):
                continue
            names = declared | node.added | {pattern for pattern in patterns if "*" not in pattern}
            raise UnknownKeyError(node.path, key, sorted(names), group=isinstance(value, ConfigNode))


def _listed(node: ConfigNode, declared: set[str]) -> set[str]:
    """Returns the names of groups that a declared list of the node names (`model_order`): they belong to its class."""
    lists = [node.values[name] for name in declared if isinstance(node.values.get(name), (list, tuple))]
    names = {item for value in lists for item in value if isinstance(item, str)}
    return {
        name
        for name in names
        if isinstance(node.values.get(name), ConfigNode)
        or (isinstance(node.values.get(name), dict) and "cls" in node.values[name])
    }
