"""What a person's hands are on: keys and a mouse, gamepads, mice with six axes, controllers in a room, and recordings of them."""

from muse.teleop.device import DeviceError, InputDevice, Reading
from muse.teleop.keys import Keys, KeySource

__all__ = ["DeviceError", "InputDevice", "KeySource", "Keys", "Reading"]
