"""A policy that a server holds (`muse serve`). `%policy cfgs/policy/remote.py --host gpu-machine --port 6280`."""

from attrdict import AttrDict as d

from muse.serving.protocol import HOST, PORT
from muse.serving.remote_policy import RemotePolicy

export = d(
    cls=RemotePolicy,
    host=HOST,
    port=PORT,
    socket=None,
    answer_timeout=30.0,
    connect_timeout=5.0,
    timeout=0,
)
