"""Keys and mouse of the window, or the keys of a terminal."""

from attrdict import AttrDict as d

from muse.teleop.keyboard import KeyboardDevice

export = d(cls=KeyboardDevice)
