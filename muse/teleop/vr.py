"""Controllers whose pose in the room is known, as virtual reality has them, read from the network.

What tracks the controller runs where its drivers are, and sends a datagram for each pose:

    {"time": 12.34, "position": [x, y, z], "quaternion": [x, y, z, w], "clutch": true, "grip": 0.0, "buttons": ["keep"]}

`time` in seconds of its own clock, `position` in metres and `quaternion` (x, y, z, w) in the tracker's frame; `buttons` are the
commands whose buttons are down.
"""

from __future__ import annotations

import contextlib
import json
import math
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from muse.envs.teleop import TeleopInput
from muse.teleop.device import DeviceError, InputDevice, Reading
from muse.teleop.keys import KeySource
from muse.utils.abstract import Argument
from muse.utils.errors import OptionError, brief
from muse.utils.rotations import matrix_from_quaternion, turn_between

#: Bytes of a datagram at most.
_LONGEST = 4096


class ControllerPose(NamedTuple):
    """Where a controller was at one moment.

    Attributes:
        time: By the tracker's clock [s].
        position: In the tracker's frame [m].
        quaternion: In the tracker's frame (x, y, z, w).
        clutch: Whether the person means to move: without it the hand may go where it likes.
        grip: From 0, open, to 1, closed.
        buttons: Commands whose buttons are down.
    """

    time: float
    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    clutch: bool = False
    grip: float = 0.0
    buttons: frozenset[str] = frozenset()


class PoseReader(ABC):
    """What knows where a controller is. A reader for other hardware derives from it (see `VRDevice.reader`)."""

    @abstractmethod
    def open(self) -> None:
        """Connects.

        Raises:
            DeviceError: When it cannot.
        """

    @abstractmethod
    def read(self) -> list[ControllerPose]:
        """Returns the poses that came since the last call, in their order, without waiting."""

    @abstractmethod
    def close(self) -> None:
        """Disconnects. May be called twice."""


class NetworkPoseReader(PoseReader):
    """Takes poses from datagrams (UDP); see the module's text for what is in one.

    Args:
        host: Address of this machine to listen on; 0.0.0.0 for all of them.
        port: To listen on; 0 for a free one.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """See `PoseReader.open`."""
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            opened.bind((self.host, self.port))
        except OSError as error:
            opened.close()
            raise DeviceError(
                f"VRDevice: {self.host}:{self.port}", brief(error), "an address of this machine, and a free port"
            ) from error
        opened.setblocking(False)
        self._socket, self.port = opened, opened.getsockname()[1]

    def read(self) -> list[ControllerPose]:
        """See `PoseReader.read`.

        Raises:
            DeviceError: For a datagram that is no pose.
        """
        poses = []
        with contextlib.suppress(BlockingIOError):
            while self._socket is not None:
                poses.append(parse_pose(self._socket.recv(_LONGEST)))
        return poses

    def close(self) -> None:
        """See `PoseReader.close`."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def parse_pose(datagram: bytes) -> ControllerPose:
    """Returns the pose that a datagram tells.

    Raises:
        DeviceError: For anything that is no pose.
    """
    try:
        found = json.loads(datagram)
        numbers = [float(x) for x in (found["time"], *found["position"], *found["quaternion"], found.get("grip", 0.0))]
        buttons, clutch = found.get("buttons", []), found.get("clutch", False)
        if clutch not in (False, True):
            raise ValueError("a clutch that is neither true nor false")
        if not isinstance(buttons, list):
            raise ValueError("buttons that are no list")
        if len(numbers) != 9 or not all(map(math.isfinite, numbers)) or not all(isinstance(button, str) for button in buttons):
            raise ValueError("numbers that are missing or not finite")
        if abs(math.hypot(*numbers[4:8]) - 1) > 0.01:
            raise ValueError("a quaternion whose length is not 1")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        got = f"{datagram[:60]!r} ({type(error).__name__}: {brief(error)})"
        raise DeviceError(
            "VRDevice: a datagram", got, 'such as {"time": 1.5, "position": [0, 0, 0], "quaternion": [0, 0, 0, 1]}'
        ) from error
    return ControllerPose(numbers[0], tuple(numbers[1:4]), tuple(numbers[4:8]), bool(clutch), numbers[8], frozenset(buttons))  # type: ignore[arg-type]


class VRDevice(InputDevice):
    """Drives as a hand moves: while the clutch is held, the velocity of the controller is the twist.

    A hand at `full_speed`, or turning at `full_turn`, is a whole deflection. The velocity is that from the last pose of the reading
    before to the last one now. When the clutch is let go, or no pose comes for `stale_after`, everything stands still.

    Args:
        params: The options.
    """

    predefined_arguments = InputDevice.predefined_arguments + [
        Argument("host", type=str, default="0.0.0.0", help="address of this machine to listen on for poses"),
        Argument("port", type=int, default=5555, help="UDP port to listen on"),
        Argument("full_speed", type=float, default=0.25, unit="m/s", help="speed of the hand that is a whole deflection"),
        Argument("full_turn", type=float, default=1.0, unit="rad/s", help="the same of turning"),
        Argument("stale_after", type=float, default=0.2, unit="s", help="without a pose for so long, everything stands still"),
        Argument("reader", help="a PoseReader of your own, instead of the network"),
    ]

    host: str
    port: int
    full_speed: float
    full_turn: float
    stale_after: float

    help = (("hold the clutch and move your hand", ("x", "y", "z")),)

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        for name in ("full_speed", "full_turn", "stale_after"):
            if not getattr(self, name) > 0:
                raise OptionError(f"VRDevice: option '{name}'", str(getattr(self, name)), "more than 0")
        self.reader: PoseReader = self.reader or NetworkPoseReader(self.host, self.port)
        self._forget()

    def open(self, keys: KeySource | None = None) -> None:
        """See `InputDevice.open`."""
        self.reader.open()
        self._forget()

    def read_raw(self) -> Reading:
        """See `InputDevice.read_raw`."""
        poses, now = self.reader.read(), time.monotonic()
        pressed: set[str] = set()
        for pose in poses:
            pressed |= pose.buttons - self._down
            self._down = pose.buttons
        if poses:
            self._heard = now
            last, self._last = self._last, poses[-1]
            # The clutch must have been held all the way: else the hand was carried somewhere else.
            held = last is not None and all(pose.clutch for pose in (last, *poses)) and self._last.time > last.time
            self._twist = self._velocity(last, self._last) if held and last is not None else (0.0,) * 6
        elif now - self._heard > self.stale_after:
            self._twist, self._last = (0.0,) * 6, None
        grip = self._last.grip if self._last is not None else self._grip
        self._grip = grip
        return Reading(TeleopInput(self._twist, grip), frozenset(pressed))  # type: ignore[arg-type]

    def close(self) -> None:
        """See `InputDevice.close`."""
        self.reader.close()

    def _forget(self) -> None:
        self._last: ControllerPose | None = None
        self._twist: tuple[float, ...] = (0.0,) * 6
        self._down: frozenset[str] = frozenset()
        self._heard, self._grip = -math.inf, 0.0

    def _velocity(self, last: ControllerPose, pose: ControllerPose) -> tuple[float, ...]:
        period = pose.time - last.time
        moved = (np.array(pose.position) - last.position) / (period * self.full_speed)
        turned = turn_between(matrix_from_quaternion(last.quaternion), matrix_from_quaternion(pose.quaternion))
        return (*moved.tolist(), *(turned / (period * self.full_turn)).tolist())
