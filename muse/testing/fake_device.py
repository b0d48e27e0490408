"""A device that is nobody's, and complains about how it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from muse.envs.teleop import TeleopInput
from muse.teleop.device import DeviceError, InputDevice, Reading
from muse.teleop.keys import KeySource


class FakeDevice(InputDevice):
    """Tells what it was given, a reading each time, and nothing after the last.

    Args:
        readings: What it tells, or a function that is asked for each.

    Attributes:
        opened, closed: How often.
    """

    def __init__(self, readings: Iterable[Reading] | Callable[[], Reading] = ()) -> None:
        super().__init__({})
        self._ask = readings if callable(readings) else None
        self._readings = iter(()) if callable(readings) else iter(readings)
        self.opened = self.closed = 0
        self._is_open = False

    def open(self, keys: KeySource | None = None) -> None:
        """See `InputDevice.open`.

        Raises:
            DeviceError: When it is open.
        """
        if self._is_open:
            raise DeviceError("FakeDevice.open", "it is open already", "a close() before it")
        self._is_open, self.opened = True, self.opened + 1

    def read_raw(self) -> Reading:
        """See `InputDevice.read_raw`.

        Raises:
            DeviceError: When it is not open.
        """
        if not self._is_open:
            raise DeviceError("FakeDevice.read", "it is not open", "open() before it")
        return self._ask() if self._ask is not None else next(self._readings, Reading(TeleopInput()))

    def close(self) -> None:
        """See `InputDevice.close`."""
        self.closed += self._is_open
        self._is_open = False
