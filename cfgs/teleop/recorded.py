"""A recording of a session, that `--log_device` wrote: `%teleop cfgs/teleop/recorded.py --file data/log.jsonl`."""

from attrdict import AttrDict as d

from muse.teleop.recorded import RecordedDevice

export = d(cls=RecordedDevice)
