"""Tells in sentences what an input device does against the contract of `muse.teleop.device`."""

from __future__ import annotations

import math
import time

from muse.envs.teleop import TeleopInput
from muse.teleop.device import DeviceError, InputDevice, Reading
from muse.teleop.keys import KeySource
from muse.testing.problems import listed
from muse.utils.errors import MuseError

#: Readings that are taken, and how long one of them may take: a session asks at every step [s].
READINGS, LONGEST = 50, 0.1


def check_device(device: InputDevice, keys: KeySource | None = None) -> None:
    """Opens a device, reads it, closes it, and does so again, as a session would.

        check_device(MyDevice(d(gain=0.5)))

    Args:
        device: Not open; what it reads is plugged in.
        keys: Keys for a device that wants some.

    Raises:
        DeviceError: With a sentence for each thing that is wrong.
    """
    problems = device_problems(device, keys)
    if problems:
        raise DeviceError(f"check_device({type(device).__name__})", listed(problems))


def device_problems(device: InputDevice, keys: KeySource | None = None) -> list[str]:
    """Returns a sentence for each thing that is wrong; see `check_device`."""
    problems: list[str] = []
    for turn in ("first", "second"):
        try:
            device.open(keys)
        except MuseError as error:
            return [*problems, f"open the {turn} time: {error}"]
        longest = 0.0
        for number in range(READINGS):
            begin = time.perf_counter()
            try:
                reading = device.read()
            except MuseError as error:
                problems.append(f"reading {number} of the {turn} time: {error}")
                break
            longest = max(longest, time.perf_counter() - begin)
            problems += [f"reading {number}: {problem}" for problem in reading_problems(reading)]
        if longest > LONGEST:
            problems.append(f"read() took {longest:.2f} s: it waits for something, a session would too")
        for _ in range(2):
            try:
                device.close()
            except Exception as error:
                problems.append(f"close(), which may be called twice: {type(error).__name__}: {error}")
    return list(dict.fromkeys(problems))


def reading_problems(reading: Reading) -> list[str]:
    """Returns a sentence for each thing that is wrong with what a device returned."""
    if not isinstance(reading, Reading) or not isinstance(reading.given, TeleopInput):
        return [f"{type(reading).__name__} instead of a Reading of a TeleopInput"]
    problems = []
    twist, grip, pointer = reading.given
    if len(twist) != 6 or not all(isinstance(value, float) and -1 <= value <= 1 for value in twist):
        problems.append(f"twist {twist}: six floats from -1 to 1 are wanted")
    if not (isinstance(grip, float) and 0 <= grip <= 1):
        problems.append(f"grip {grip!r}: a float from 0 to 1 is wanted")
    if pointer is not None and not (len(pointer) == 2 and all(math.isfinite(value) and 0 <= value <= 1 for value in pointer)):
        problems.append(f"pointer {pointer}: None or two numbers from 0 to 1 are wanted")
    if not (isinstance(reading.buttons, frozenset) and all(isinstance(button, str) for button in reading.buttons)):
        problems.append(f"buttons {reading.buttons!r}: a frozenset of names of commands is wanted")
    return problems
