"""A controller in the room, whose poses come over the network."""

from attrdict import AttrDict as d

from muse.teleop.vr import VRDevice

export = d(cls=VRDevice)
