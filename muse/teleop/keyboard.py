"""Keys and the mouse as a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muse.envs.teleop import TeleopInput
from muse.teleop.device import DeviceError, InputDevice, Reading
from muse.teleop.keys import KeySource

#: Key, part of the twist, and direction.
MOTIONS: dict[str, tuple[int, float]] = {
    "right": (0, 1.0), "left": (0, -1.0), "l": (0, 1.0), "j": (0, -1.0),
    "up": (1, 1.0), "down": (1, -1.0), "i": (1, 1.0), "k": (1, -1.0),
    "u": (2, 1.0), "o": (2, -1.0),
    "x": (3, 1.0), "z": (3, -1.0),
    "w": (4, 1.0), "s": (4, -1.0),
    "a": (5, 1.0), "d": (5, -1.0),
}  # fmt: skip
#: Closes the grip, and opens it again.
GRIP_KEY = "g"
#: While it is held everything is slow.
SLOW_KEY, SLOW_FACTOR = "left shift", 0.25


class KeyboardDevice(InputDevice):
    """Drives with the keys of a window or a terminal, and with the mouse of a window.

    Arrows (or `i` `j` `k` `l`) move along x and y, `u` and `o` up and down; `x` and `z` turn about x, `w` and `s` about y, `a` and
    `d` about z. `g` closes the grip and opens it again. While the left button of the mouse is held in the env's picture, that is
    where to go; the right one closes the grip as long as it is held. With the left shift key everything is a quarter as fast.
    """

    help = (
        ("arrows or i j k l: move", ("x", "y")),
        ("u o: up, down", ("z",)),
        ("a d, w s, z x: turn", ("yaw", "pitch", "roll")),
        ("left mouse button: go there", ("pointer",)),
        ("g or right mouse button: grip", ("grip",)),
        ("shift: slow", ("x", "y", "z")),
    )

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        self._source: KeySource | None = None
        self._is_closed = False

    def open(self, keys: KeySource | None = None) -> None:
        """See `InputDevice.open`."""
        if keys is None:
            raise DeviceError("KeyboardDevice", "no keys", "a window or a terminal", "--panel window or --panel terminal")
        self._source, self._is_closed = keys, False

    def read_raw(self) -> Reading:
        """See `InputDevice.read_raw`."""
        if self._source is None:
            raise DeviceError("KeyboardDevice.read", "not open", "open(keys) before it")
        keys = self._source.keys
        if keys.pressed.count(GRIP_KEY) % 2:
            self._is_closed = not self._is_closed
        twist = [0.0] * 6
        factor = SLOW_FACTOR if SLOW_KEY in keys.held else 1.0
        # A key that went down and up between two readings moves for one of them.
        for key in keys.held | set(keys.pressed):
            if key in MOTIONS:
                part, direction = MOTIONS[key]
                twist[part] += direction * factor
        twist = [max(-1.0, min(1.0, value)) for value in twist]
        return Reading(TeleopInput(tuple(twist), float(self._is_closed or keys.is_right_held), keys.pointer))  # type: ignore[arg-type]

    def close(self) -> None:
        """See `InputDevice.close`."""
        self._source = None
