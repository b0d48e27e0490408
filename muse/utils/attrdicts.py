"""`AttrDict`s and flat dicts: the one place that knows the traps of `AttrDict`.

Names are slash paths (`objects/position`). A *nested* batch is an `AttrDict`; a *flat* batch is a plain dict whose keys are
whole paths. Both answer `batch["objects/position"]`. Hot loops work on flat dicts and build an `AttrDict` once, at their edge.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrdict import AttrDict

#: A batch of arrays by path: an `AttrDict` or a flat dict.
Batch = Mapping[str, Any]
#: Attributes of an `AttrDict` without leaves.
_EMPTY = dict(vars(AttrDict()))


def nest(flat: Mapping[str, Any]) -> AttrDict:
    """Returns an `AttrDict` in which every slash of a key opens a node."""
    return AttrDict.from_dict(flat)


def node_of(leaves: Mapping[str, Any]) -> AttrDict:
    """Returns an `AttrDict` of leaves whose keys have no slash, as `nest` does, without looking at each: for what is made at every step."""
    # Its constructor takes longer than all the rest.
    node = AttrDict.__new__(AttrDict)
    node.__dict__.update(_EMPTY, _map=OrderedDict(leaves))
    return node


def flatten(batch: Batch) -> dict[str, Any]:
    """Returns a flat dict of all leaves by path. Leaves are shared, not copied."""
    return dict(_items(batch, ""))


def _items(batch: Batch, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in batch.items():
        if isinstance(value, Mapping):
            yield from _items(value, f"{prefix}{key}/")
        else:
            yield prefix + key, value


def has(batch: Batch, name: str) -> bool:
    """Returns whether `batch` holds a leaf or a node under the path `name`; an empty node counts as absent."""
    if name in batch:
        return not _is_empty(batch[name])
    node: Any = batch
    for part in name.split("/"):
        if not isinstance(node, Mapping) or part not in node:
            return False
        node = node[part]
    return not _is_empty(node)


def _is_empty(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) == 0


def apply(batch: Batch, fn: Callable[[Any], Any]) -> AttrDict:
    """Returns a nested batch with `fn` of every leaf."""
    return nest({name: fn(value) for name, value in _items(batch, "")})
