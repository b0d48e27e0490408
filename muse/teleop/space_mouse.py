"""Mice with six axes (3Dconnexion's SpaceMouse and SpaceNavigator), through their USB reports."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from muse.envs.teleop import TeleopInput
from muse.teleop.device import DeviceError, InputDevice, Reading
from muse.teleop.keys import KeySource
from muse.utils.abstract import Argument
from muse.utils.errors import brief
from muse.utils.optional import require

#: hidapi's module. Its `hid` takes a device away from Linux (by libusb), also a mouse, and knows no usages; `hidraw` reads beside it.
MODULE = "hidraw" if sys.platform == "linux" else "hid"
#: 3Dconnexion, and Logitech, under whose number the older ones are, among ordinary mice and keyboards.
_MAKER, _OLD_MAKER = 0x256F, 0x046D
#: Usage page and usage of a controller with several axes, by the HID usage tables.
_MULTI_AXIS = (0x01, 0x08)
#: What is read at a whole deflection.
FULL = 350.0
_TRANSLATION, _ROTATION, _BUTTONS = 1, 2, 3
_LONGEST = 64


class SpaceMouseReports:
    """What the reports of the device said last; its axes are x to the right, y away from the person, z up.

    The device's own are x to the right, y towards the person and z down. Older ones send translation (report 1) and rotation
    (report 2) apart, newer ones all six numbers in report 1; buttons are bits of report 3.

    Attributes:
        twist: `(6,)`, 1 for a whole deflection.
        down: Numbers of the buttons that are down, from 0.
    """

    def __init__(self) -> None:
        self.twist = [0.0] * 6
        self.down: frozenset[int] = frozenset()

    def take(self, report: bytes) -> None:
        """Reads one report; of a kind that it does not know, nothing."""
        kind, data = (report[0], report[1:]) if report else (0, b"")
        if kind in (_TRANSLATION, _ROTATION) and len(data) >= 6:
            whole = kind == _TRANSLATION and len(data) >= 12
            numbers = struct.unpack_from("<6h" if whole else "<3h", data)
            signs = (1, -1, -1, 1, -1, -1)
            begin = 0 if kind == _TRANSLATION else 3
            for i, number in enumerate(numbers):
                self.twist[begin + i] = signs[begin + i] * number / FULL
        elif kind == _BUTTONS and data:
            bits = int.from_bytes(data[:4], "little")
            self.down = frozenset(i for i in range(32) if bits >> i & 1)


class SpaceMouseDevice(InputDevice):
    """Drives with a SpaceMouse, along and about all three axes.

    The button `grip_button` closes the grip and opens it again. Needs the extra `spacemouse`, and on Linux the right to read
    `/dev/hidraw*` (a udev rule; docs/teleoperation.md has it).
    """

    predefined_arguments = InputDevice.predefined_arguments + [
        Argument("dead_zone", type=float, default=0.05, help="what counts as nothing, of a whole deflection of 1"),
        Argument("product", type=int, default=0, help="USB product number, where several are plugged in; 0: the first that is found"),
        Argument("grip_button", type=int, default=0, help="button that closes and opens the grip, from 0; -1: none"),
        Argument(
            "buttons", type=list, element_type=str, default=["-", "take_over"], help="command of each button, from the first on; '-' for none"
        ),
    ]  # fmt: skip

    product: int
    grip_button: int
    buttons: list[str]

    help = (
        ("cap: move and turn", ("x", "y", "z", "yaw")),
        ("left button: grip", ("grip",)),
        ("right button: take over, give back", ("x", "y", "z")),
    )

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        self._reports = SpaceMouseReports()
        self._hid: Any = None
        self._down: frozenset[int] = frozenset()
        self._is_closed = False

    def open(self, keys: KeySource | None = None) -> None:
        """See `InputDevice.open`."""
        hid = require(MODULE, "spacemouse", "SpaceMouseDevice")
        found = find_space_mice(hid.enumerate(), self.product)
        if not found:
            wanted = f" with product number {self.product:#06x}" if self.product else ""
            raise DeviceError(
                "SpaceMouseDevice", "none found", f"a SpaceMouse{wanted}", "plug it in; the udev rule of docs/teleoperation.md"
            )
        device = hid.device()
        try:
            device.open_path(found[0]["path"])
        except OSError as error:
            hint = "the udev rule of docs/teleoperation.md"
            raise DeviceError(
                f"SpaceMouseDevice: {found[0]['product_string']}", brief(error), "the right to read it", hint
            ) from error
        device.set_nonblocking(1)
        self.use(device)

    def use(self, hid_device: Any) -> None:
        """Reads from an open device of `hid`, or anything that has its `read(size)`, which returns `[]` where nothing waits."""
        self._hid, self._reports, self._is_closed = hid_device, SpaceMouseReports(), False

    def read_raw(self) -> Reading:
        """See `InputDevice.read_raw`."""
        if self._hid is None:
            raise DeviceError("SpaceMouseDevice.read", "not open", "open() before it")
        pressed: set[int] = set()
        try:
            while report := self._hid.read(_LONGEST):
                self._reports.take(bytes(report))
                pressed |= self._reports.down - self._down
                self._down = self._reports.down
        except (OSError, ValueError) as error:
            raise DeviceError("SpaceMouseDevice", brief(error), "a SpaceMouse that is plugged in") from error
        if self.grip_button in pressed:
            self._is_closed = not self._is_closed
        commands = {self.buttons[i] for i in pressed if i < len(self.buttons)} - {"-"}
        return Reading(TeleopInput(tuple(self._reports.twist), float(self._is_closed)), frozenset(commands))  # type: ignore[arg-type]

    def close(self) -> None:
        """See `InputDevice.close`."""
        if self._hid is not None:
            self._hid.close()
        self._hid = None


def find_space_mice(there: Iterable[Mapping[str, Any]], product: int = 0) -> list[Mapping[str, Any]]:
    """Returns those of the devices of `hid.enumerate()` that are SpaceMice, with product number `product` unless that is 0."""
    found = []
    for info in there:
        usage = (info["usage_page"], info["usage"])
        is_one = usage == _MULTI_AXIS if info["vendor_id"] == _OLD_MAKER else usage in (_MULTI_AXIS, (0, 0))
        if info["vendor_id"] in (_MAKER, _OLD_MAKER) and is_one and product in (0, info["product_id"]):
            found.append(info)
    return found
