"""Keys and the mouse, wherever they come from: a window, or a terminal.

source.poll()               # once for each moment
source.keys                 # what is held and was pressed in it
"""

from __future__ import annotations

from typing import NamedTuple


class Keys(NamedTuple):
    """Keys and mouse at one moment. Keys are called as pygame calls them: `a`, `up`, `return`, `space`, `tab`, `left shift`.

    Attributes:
        held: Keys that are down.
        pressed: Keys that went down since the moment before, in their order.
        pointer: Where the left button of the mouse holds the picture of `Env.render`, to the right and up from its bottom left, each
            from 0 to 1; None where it does not.
        is_right_held: Whether the right button of the mouse is down.
    """

    held: frozenset[str] = frozenset()
    pressed: tuple[str, ...] = ()
    pointer: tuple[float, float] | None = None
    is_right_held: bool = False


class KeySource:
    """What has keys. `keys` is what the last `poll` of its owner found."""

    keys: Keys = Keys()
