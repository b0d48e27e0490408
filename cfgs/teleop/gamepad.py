"""A gamepad."""

from attrdict import AttrDict as d

from muse.teleop.gamepad import GamepadDevice

export = d(cls=GamepadDevice)
