"""What the functions of a recipe get for a whole group: an `AttrDict` that gives resolved values and notes what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from attrdict import AttrDict


class View(AttrDict):
    """A group or nested dict as a `Field` or a name sees it. Values resolve when they are read; a copy is a plain `AttrDict`.

    Made by `View.of`; an own constructor would break the methods of `AttrDict` that make empty ones.
    """

    #: How `configs.values.own_copy` knows a view, of which a copy is no reading.
    is_view = True

    @classmethod
    def of(cls, keys: Iterator[str], read: Callable[[str], Any], whole: Callable[[], Any]) -> View:
        """Returns a view.

        Args:
            keys: What it holds.
            read: Gives the value of a key, and notes that it was read.
            whole: Gives a copy of everything, and notes nothing.
        """
        view = cls()
        for key in keys:
            view._map[key] = None
        object.__setattr__(view, "_read", read)
        object.__setattr__(view, "_whole", whole)
        return view

    def __getitem__(self, key: str) -> Any:
        if key in self._map or "/" not in str(key):
            return self._read(key) if key in self._map else self._map[key]
        head, _, tail = key.partition("/")
        return self[head][tail]

    def __contains__(self, key: object) -> bool:
        found = key in self._map
        if found:
            self._read(key)
        return found

    def get(self, key: str, default: Any = None) -> Any:
        """Returns the value of a key, or `default`."""
        return self[key] if key in self._map else default

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yields all keys and values."""
        return ((key, self[key]) for key in self._map)

    def iteritems(self) -> Iterator[tuple[str, Any]]:
        """Yields all keys and values."""
        return self.items()

    def values(self) -> list[Any]:
        """Returns all values."""
        return [self[key] for key in self._map]

    def copy(self) -> AttrDict:
        """Returns a copy of everything, all of which counts as read."""
        for _ in self.leaf_keys():
            pass
        return self._whole()

    def __deepcopy__(self, memo: Any = None) -> AttrDict:
        return self.copy()

    def unread_copy(self) -> AttrDict:
        """Returns a copy of everything, none of which counts as read."""
        return self._whole()

    def __eq__(self, other: object) -> bool:
        return bool(self.copy() == other)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self, seen: Any = None) -> str:
        return str(self._whole())

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        """Raises: what a function is given belongs to the config."""
        raise TypeError("the values of a config cannot be written here; copy() gives an AttrDict that can")

    __setitem__ = __delitem__ = __delattr__ = pop = popitem = setdefault = update = clear = _refuse
