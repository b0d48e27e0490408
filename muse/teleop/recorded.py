"""What a device told, written down, and told again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from muse.envs.teleop import TeleopInput
from muse.teleop.device import DeviceError, InputDevice, Reading
from muse.teleop.keys import KeySource
from muse.utils.abstract import Argument
from muse.utils.errors import brief


class DeviceLog:
    """Writes readings to a file, one JSON object a line; what was written before a crash is there after it.

    Args:
        path: The file; what is there is replaced.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = open(path, "w", buffering=1)  # noqa: SIM115 - open as long as the log is

    def write(self, reading: Reading) -> None:
        """Appends a reading."""
        given, buttons = reading
        line = {"twist": list(given.twist), "grip": given.grip, "pointer": given.pointer, "buttons": sorted(buttons)}
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Closes the file. May be called twice."""
        self._file.close()


class RecordedDevice(InputDevice):
    """Tells again what a `DeviceLog` holds, a reading each time; after the last it asks to `quit`.

    A log holds what was told after gain, dead zone and frame; those of this device come on top, and change nothing by default.
    """

    predefined_arguments = InputDevice.predefined_arguments + [
        Argument("file", type=str, required=True, help="a log that `--log_device` wrote"),
    ]

    file: str

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        self._readings: Iterator[Reading] = iter(())

    def open(self, keys: KeySource | None = None) -> None:
        """See `InputDevice.open`.

        Raises:
            DeviceError: When the file is no log; it says which line.
        """
        self._readings = iter(read_log(self.file))

    def read_raw(self) -> Reading:
        """See `InputDevice.read_raw`."""
        return next(self._readings, Reading(TeleopInput(), frozenset({"quit"})))


def read_log(path: str | os.PathLike[str]) -> list[Reading]:
    """Returns the readings of a log. A last line that was cut short by a crash is left out.

    Raises:
        DeviceError: When the file cannot be read, or a line is none of a log.
    """
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceError(str(path), brief(error), "a log that --log_device wrote") from error
    lines = text.split("\n")
    readings = []
    for number, line in enumerate(lines, 1):
        if number == len(lines):  # What follows the last line's end: nothing, or half a line.
            break
        try:
            found = json.loads(line)
            pointer = found["pointer"]
            given = TeleopInput(
                tuple(float(value) for value in found["twist"]),  # type: ignore[arg-type]
                float(found["grip"]),
                None if pointer is None else (float(pointer[0]), float(pointer[1])),
            )
            if len(given.twist) != 6 or not all(isinstance(button, str) for button in found["buttons"]):
                raise ValueError("a twist of six numbers, and names of buttons")
        except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError) as error:
            got = f"'{line[:60]}' ({type(error).__name__})"
            raise DeviceError(
                f"{path}: line {number}", got, 'a line such as {"twist": [0, 0, 0, 0, 0, 0], "grip": 0, ...}'
            ) from error
        readings.append(Reading(given, frozenset(found["buttons"])))
    return readings
