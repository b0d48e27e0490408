"""A SpaceMouse."""

from attrdict import AttrDict as d

from muse.teleop.space_mouse import SpaceMouseDevice

export = d(cls=SpaceMouseDevice)
