"""The contract of input devices. The loop that calls it (`muse.interactive.session`):

device.open(keys)                                   # once; keys of the window or the terminal, None where there are none
while ...:
    given, buttons = device.read()                  # at once, never waiting for a person
    action = env.get_teleop_action(given)
device.close()
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from muse.envs.teleop import TeleopInput
from muse.teleop.keys import KeySource
from muse.utils.abstract import Argument, BaseClass
from muse.utils.errors import MuseError, OptionError
from muse.utils.rotations import matrix_from_euler


class DeviceError(MuseError):
    """A device that is not there, or that tells something that it cannot mean."""


class Reading(NamedTuple):
    """What a device tells at one moment.

    Attributes:
        given: What it says to the env.
        buttons: Commands whose buttons were pressed since the reading before, as `muse.interactive.commands` names them: `keep`,
            `take_over`.
    """

    given: TeleopInput
    buttons: frozenset[str] = frozenset()


class InputDevice(BaseClass, ABC):
    """A device in a person's hands. A subclass writes `read_raw`; what all devices have in common happens here.

    Of each part of the twist what lies within `dead_zone` counts as nothing, and the rest is stretched so that it begins there at
    0; then it is multiplied by `gain`; then translation and rotation are turned from the device's axes to the env's.

    Args:
        params: The options.

    Raises:
        OptionError: For a gain, dead zone or frame that is none.
    """

    predefined_arguments = [
        Argument("gain", type=float, default=1.0, help="factor on what is read; 0.3 for slow, exact motion"),
        Argument("dead_zone", type=float, default=0.0, help="what counts as nothing, of a whole deflection of 1"),
        Argument(
            "frame", type=list, element_type=float, default=[0.0, 0.0, 0.0], unit="deg",
            help="roll, pitch, yaw of the device's axes, as the env sees them: 0,0,90 for a person who looks along the env's y",
        ),
    ]  # fmt: skip

    #: How it is used: a key or a stick and what it does, with the inputs of an env (`Env.teleop_inputs`) that this is for.
    help: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = ()

    gain: float
    dead_zone: float
    frame: list[float]

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.read_predefined_params(params)
        name = type(self).__name__
        if not (math.isfinite(self.gain) and self.gain > 0):
            raise OptionError(f"{name}: option 'gain'", str(self.gain), "a factor above 0")
        if not 0 <= self.dead_zone < 1:
            raise OptionError(
                f"{name}: option 'dead_zone'", str(self.dead_zone), "a share of the whole deflection, from 0 to below 1"
            )
        if len(self.frame) != 3 or not np.isfinite(self.frame).all():
            raise OptionError(f"{name}: option 'frame'", str(self.frame), "roll, pitch and yaw [deg]")
        self._turn = matrix_from_euler(np.radians(self.frame)) if any(self.frame) else None

    def open(self, keys: KeySource | None = None) -> None:
        """Connects to the device.

        Args:
            keys: Keys and mouse of the window or the terminal.

        Raises:
            DeviceError: When it is not there.
            MissingExtraError: When what drives it is not installed.
        """

    @abstractmethod
    def read_raw(self) -> Reading:
        """Returns what the device tells, in its own axes, each part of the twist from -1 to 1 at a whole deflection.

        Raises:
            DeviceError: When it is gone.
        """

    def read(self) -> Reading:
        """Returns what the device tells, in the env's axes, within the limits of a `TeleopInput`.

        Raises:
            DeviceError: When it is gone, or tells what is no finite number.
        """
        given, buttons = self.read_raw()
        twist = np.asarray(given.twist, np.float64)
        if twist.shape != (6,) or not np.isfinite(twist).all() or not math.isfinite(given.grip):
            raise DeviceError(
                f"{type(self).__name__}.read", f"twist {given.twist}, grip {given.grip}", "finite numbers, six of them"
            )
        if given.pointer is not None and not all(map(math.isfinite, given.pointer)):
            raise DeviceError(f"{type(self).__name__}.read", f"pointer {given.pointer}", "None, or two finite numbers")
        size = np.abs(twist)
        twist = np.sign(twist) * np.maximum(0.0, size - self.dead_zone) / (1 - self.dead_zone) * self.gain
        if self._turn is not None:
            twist = np.concatenate([self._turn @ twist[:3], self._turn @ twist[3:]])
        limited = np.clip(twist, -1.0, 1.0).tolist()
        return Reading(given._replace(twist=tuple(limited), grip=min(1.0, max(0.0, given.grip))), buttons)

    def help_for(self, inputs: Sequence[str]) -> tuple[str, ...]:
        """Returns short texts on how it is used where an env listens to `inputs`."""
        return tuple(text for text, wanted in self.help if not set(wanted).isdisjoint(inputs))

    def close(self) -> None:
        """Lets go of the device. May be called twice."""
