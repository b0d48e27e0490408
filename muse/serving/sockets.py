"""Sockets of both sides: made, set up, and why not."""

from __future__ import annotations

import os
import socket
import stat
from typing import Any

from muse.serving.protocol import ServingError

#: Seconds of silence after which a connection is probed, seconds between probes, and how many go unanswered before it counts as lost.
_KEEP_ALIVE = (20, 5, 3)


def connect_to(place: Any, timeout: float) -> socket.socket:
    """Connects to `(host, port)`, or to the Unix socket at a path."""
    if not isinstance(place, str):
        sock = socket.create_connection(place, timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(place)
    except BaseException:
        sock.close()
        raise
    return sock


def prepare(sock: socket.socket) -> None:
    """Sends small answers at once, and finds out about a machine that lost its power."""
    if sock.family == getattr(socket, "AF_UNIX", None):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in zip(("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"), _KEEP_ALIVE, strict=True):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def listen_at(path: str) -> socket.socket:
    """Returns a Unix socket that listens at `path`; what a dead server left there is removed."""
    if os.path.lexists(path):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ServingError(path, "is there already, and no socket", "a new path")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
            else:
                raise ServingError(path, "a server listens there already", "a new path")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    return listener


def describe_refusal(error: OSError) -> str:
    """Returns why the system refused an address."""
    # Python adds the address to the text of some; errors of names have numbers of their own, below zero.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
