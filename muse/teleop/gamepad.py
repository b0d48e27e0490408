"""Gamepads and joysticks, through pygame."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from muse.envs.teleop import TeleopInput
from muse.teleop.device import DeviceError, InputDevice, Reading
from muse.teleop.keys import KeySource
from muse.utils.abstract import Argument
from muse.utils.errors import OptionError
from muse.utils.optional import hush_pygame, require


class GamepadDevice(InputDevice):
    """Drives with the sticks of a gamepad.

    `axes` says which axis of the gamepad each part of the twist is read from, and from which side: `3`, or `-3` for the other
    direction, counted from 1; 0 for none. The defaults are those of an Xbox gamepad under Linux: the left stick moves along x and
    y, the right one up and down and about z. A trigger that rests at -1 closes the grip as far as it is pulled.

    Raises:
        DeviceError: For options that do not fit the gamepad.
    """

    predefined_arguments = InputDevice.predefined_arguments + [
        Argument("dead_zone", type=float, default=0.12, help="what counts as nothing, of a whole deflection of 1"),
        Argument("number", type=int, default=0, help="which of the gamepads, from 0"),
        Argument(
            "axes", type=list, element_type=int, default=[1, -2, -5, 0, 0, -4],
            help="axis of each part of the twist, from 1; negative: the other way around; 0: none",
        ),
        Argument("grip_axis", type=int, default=6, help="axis of the trigger that closes the grip, from 1; 0: none"),
        Argument(
            "buttons", type=list, element_type=str,
            default=["keep", "discard", "take_over", "success", "reset", "redo", "pause", "start"],
            help="command of each button, from the first on; '-' for none",
        ),
    ]  # fmt: skip

    number: int
    axes: list[int]
    grip_axis: int
    buttons: list[str]

    help = (
        ("left stick: move", ("x", "y")),
        ("right stick: up, down, turn", ("z", "yaw")),
        ("right trigger: grip", ("grip",)),
    )

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        if len(self.axes) != 6:
            raise OptionError("GamepadDevice: option 'axes'", str(self.axes), "six axes, one for each part of the twist")
        self._pygame: Any = None
        self._stick: Any = None
        self._down: frozenset[int] = frozenset()

    def open(self, keys: KeySource | None = None) -> None:
        """See `InputDevice.open`."""
        hush_pygame()
        # Without it nothing is read while another window is in front.
        os.environ.setdefault("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")
        pygame = self._pygame = require("pygame", "window", "GamepadDevice")
        if not pygame.display.get_init():
            # SDL hands out the events of gamepads through its video system, which needs no screen for it.
            if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("SDL_VIDEODRIVER")):
                os.environ["SDL_VIDEODRIVER"] = "dummy"
            pygame.display.init()
        pygame.joystick.init()
        count = pygame.joystick.get_count()
        if not 0 <= self.number < count:
            found = f"{count} gamepad{'' if count == 1 else 's'} found"
            raise DeviceError(
                "GamepadDevice", found, f"one with number {self.number}", "plug it in; `ls /dev/input/js*`; --number"
            )
        self.use(pygame.joystick.Joystick(self.number))

    def use(self, stick: Any) -> None:
        """Reads from a joystick of pygame, or anything with its methods.

        Raises:
            DeviceError: When it has fewer axes than the options name.
        """
        needed = max(map(abs, [*self.axes, self.grip_axis]))
        if stick.get_numaxes() < needed:
            raise DeviceError(
                f"GamepadDevice: '{stick.get_name()}'", f"{stick.get_numaxes()} axes", f"{needed}, as 'axes' and 'grip_axis' say",
                "other numbers there",
            )  # fmt: skip
        self._stick = stick

    def read_raw(self) -> Reading:
        """See `InputDevice.read_raw`."""
        stick = self._stick
        if stick is None:
            raise DeviceError("GamepadDevice.read", "not open", "open() before it")
        if self._pygame is not None:
            self._pygame.event.pump()
            if not stick.get_init() or self._pygame.joystick.get_count() <= self.number:
                raise DeviceError("GamepadDevice", "it is gone", "a gamepad that is plugged in")
        twist = [0.0 if axis == 0 else stick.get_axis(abs(axis) - 1) * (1 if axis > 0 else -1) for axis in self.axes]
        grip = (stick.get_axis(self.grip_axis - 1) + 1) / 2 if self.grip_axis else 0.0
        down = frozenset(i for i in range(stick.get_numbuttons()) if stick.get_button(i))
        commands = {self.buttons[i] for i in down - self._down if i < len(self.buttons)} - {"-"}
        self._down = down
        return Reading(TeleopInput(tuple(twist), grip), frozenset(commands))  # type: ignore[arg-type]

    def close(self) -> None:
        """See `InputDevice.close`."""
        if self._stick is not None and self._pygame is not None:
            self._stick.quit()
        self._stick = None
