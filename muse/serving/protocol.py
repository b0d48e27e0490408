"""What goes over the wire: messages of named arrays.

    bytes    what
    4        b"MUSE"
    2        version of the protocol
    4        length of the header
    8        length of the payload
    ...      header, JSON: {"kind": "act", "values": {...}, "arrays": [[name, type, shape], ...]}
    ...      payload: the arrays one after another, C order, little-endian, each from a multiple of 8 on

Numbers of the first four fields are in network order. Nothing that came over the wire is ever executed or unpickled: a header is
JSON, an array is numbers, texts or bytes of a size that the header states and the limits below bound. Needs numpy alone.
"""

from __future__ import annotations

import json
import math
import re
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from muse.utils.errors import MuseError, brief, cut

VERSION = 1
#: Where a server listens unless it is told otherwise.
HOST, PORT = "127.0.0.1", 6280
MAX_HEADER, MAX_PAYLOAD, MAX_ARRAYS = 2**20, 2**28, 1024

_MAGIC = b"MUSE"
_PREFIX = struct.Struct("!4sHIQ")
_ALIGN = 8
_MAX_DIMENSIONS = 16
#: The types that there are: booleans, whole numbers, floats, bytes, texts; bytes in this machine's order.
_TYPES = re.compile(r"\|b1|[|][iu]1|<[iu][248]|<f[248]|\|S[1-9]\d{0,4}|<U[1-9]\d{0,4}")


class ServingError(MuseError):
    """A server that cannot be reached, or one side that asked for what the other cannot give."""


class ProtocolError(ServingError):
    """Bytes that are no message of this protocol."""


class ConnectionLostError(ServingError):
    """The other side has gone in the middle of a message, or while an answer was awaited."""


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        kind: What it asks or tells.
        values: What JSON can hold.
        arrays: By name.
    """

    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


def encode(message: Message) -> list[bytes | memoryview]:
    """Returns a message as pieces to be sent one after another; big arrays are not copied.

    Raises:
        ProtocolError: For what the protocol cannot carry.
    """
    listed: list[list[Any]] = []
    pieces: list[bytes | memoryview] = []
    size = 0
    for name, value in message.arrays.items():
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if not _TYPES.fullmatch(array.dtype.str):
            raise ProtocolError(f"message '{message.kind}': '{name}'", f"type {array.dtype}", "booleans, numbers, texts or bytes")
        listed.append([name, array.dtype.str, list(array.shape)])
        if array.nbytes:
            pieces.append(array.reshape(-1).view(np.uint8).data)
            pieces.append(bytes(-array.nbytes % _ALIGN))
            size += array.nbytes + len(pieces[-1])
    try:
        header = json.dumps({"kind": message.kind, "values": message.values, "arrays": listed}, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"message '{message.kind}'", brief(error), "values that JSON can hold") from error
    _check_sizes(len(header), size, len(listed))
    return [_PREFIX.pack(_MAGIC, VERSION, len(header), size) + header, *pieces]


def decode(data: bytes) -> Message:
    """Reverses `encode`, all pieces joined.

    Raises:
        ProtocolError: For anything that is no message, or more than one.
    """
    position = 0

    def read(size: int) -> np.ndarray:
        nonlocal position
        if position + size > len(data):
            raise ProtocolError("message", f"{len(data)} bytes", f"at least {position + size}")
        position += size
        return np.frombuffer(data, np.uint8, size, position - size).copy()

    message = _read(read)
    if position != len(data):
        raise ProtocolError("message", f"{len(data) - position} bytes behind its end", "none")
    return message


def send(sock: socket.socket, message: Message) -> None:
    """Sends a message.

    Raises:
        ProtocolError: For what the protocol cannot carry; nothing was sent then.
        ConnectionLostError: When the other side has gone.
        TimeoutError: When it takes nothing for longer than the socket's time-out.
    """
    pieces = encode(message)
    small = sum(map(len, pieces)) <= 2**16
    try:
        for piece in [b"".join(pieces)] if small else pieces:
            sock.sendall(piece)
    except TimeoutError:
        raise
    except OSError as error:
        raise ConnectionLostError("connection", error.strerror or str(error), "the other side still there") from error


def receive(sock: socket.socket, rest_timeout: float | None = None) -> Message | None:
    """Waits for a message and returns it; None when the other side has ended the connection.

    Args:
        sock: Its time-out holds for the first byte.
        rest_timeout: The time-out of the bytes after it [s]; None: the socket's too.

    Raises:
        ProtocolError: For bytes that are no message. Where the next message begins is not known then: close the connection.
        ConnectionLostError: When the other side goes in the middle of a message.
        TimeoutError: When the bytes do not come in time.
    """
    first = _receive_bytes(sock, 1, may_end=True)
    if first is None:
        return None
    waits = sock.gettimeout()
    if rest_timeout is not None:
        sock.settimeout(rest_timeout)
    begun = [first]

    def read(size: int) -> np.ndarray:
        found = _receive_bytes(sock, size - len(begun))
        assert found is not None
        return np.concatenate([begun.pop(), found]) if begun else found

    try:
        return _read(read)
    finally:
        if rest_timeout is not None:
            sock.settimeout(waits)


def _receive_bytes(sock: socket.socket, size: int, may_end: bool = False) -> np.ndarray | None:
    buffer = np.empty(size, np.uint8)
    view, got = buffer.data, 0
    while got < size:
        try:
            count = sock.recv_into(view[got:])
        except TimeoutError:
            raise
        except OSError as error:
            if may_end and isinstance(error, ConnectionResetError):
                return None
            raise ConnectionLostError("connection", error.strerror or str(error), "a whole message") from error
        if count == 0:
            if may_end and got == 0:
                return None
            raise ConnectionLostError("connection", "it ended in the middle of a message", "a whole message")
        got += count
    return buffer


def _read(read: Callable[[int], np.ndarray]) -> Message:
    """Reads one message by `read(size) -> (size,) uint8`."""
    magic, version, header_size, payload_size = _PREFIX.unpack(read(_PREFIX.size).tobytes())
    if magic != _MAGIC:
        raise ProtocolError("message", f"it begins with {magic!r}", "a message of muse.serving", "a client of Muse")
    if version != VERSION:
        raise ProtocolError(
            "message", f"version {version} of the protocol", f"version {VERSION}", "the same version of Muse on both sides"
        )
    _check_sizes(header_size, payload_size, 0)
    kind, values, listed = _read_header(read(header_size).tobytes(), payload_size)
    payload = read(payload_size)
    arrays, position = {}, 0
    for name, dtype, shape in listed:
        size = math.prod(shape) * dtype.itemsize
        arrays[name] = _shaped(name, payload[position : position + size], dtype, shape)
        position += size + -size % _ALIGN
    return Message(kind, values, arrays)


def _read_header(text: bytes, payload_size: int) -> tuple[str, dict[str, Any], list[tuple[str, np.dtype, tuple[int, ...]]]]:
    try:
        header = json.loads(text, parse_constant=_no_constant)
        kind, values, arrays = header["kind"], header["values"], header["arrays"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProtocolError("message: header", brief(error, with_kind=True), "JSON with kind, values and arrays") from error
    if not (isinstance(kind, str) and isinstance(values, dict) and isinstance(arrays, list)):
        raise ProtocolError("message: header", "kind, values or arrays of another type", "a text, an object, a list")
    _check_sizes(len(text), payload_size, len(arrays))
    listed: list[tuple[str, np.dtype, tuple[int, ...]]] = []
    total = 0
    for entry in arrays:
        found = _read_entry(entry)
        if any(found[0] == name for name, _, _ in listed):
            raise ProtocolError(f"message: '{found[0]}'", "twice", "each array once")
        size = math.prod(found[2]) * found[1].itemsize
        total += size + -size % _ALIGN
        listed.append(found)
    if total != payload_size:
        raise ProtocolError("message: payload", f"{payload_size} bytes", f"{total}, as its header says")
    return kind, values, listed


def _read_entry(entry: Any) -> tuple[str, np.dtype, tuple[int, ...]]:
    well_formed = (
        isinstance(entry, list)
        and len(entry) == 3
        and isinstance(entry[0], str)
        and entry[0].isprintable()
        and isinstance(entry[1], str)
        and _TYPES.fullmatch(entry[1]) is not None
        and isinstance(entry[2], list)
        and len(entry[2]) <= _MAX_DIMENSIONS
        and all(type(n) is int and n >= 0 for n in entry[2])
        # numpy refuses sizes beyond its own, also where there is a zero among them.
        and math.prod(n or 1 for n in entry[2]) <= MAX_PAYLOAD
    )
    if not well_formed:
        raise ProtocolError("message: header", f"the array {cut(repr(entry))}", "[name, type, shape]")
    return entry[0], np.dtype(entry[1]), tuple(entry[2])


def _shaped(name: str, data: np.ndarray, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    if dtype.kind == "b" and (data > 1).any():
        raise ProtocolError(f"message: '{name}'", "a byte above 1", "booleans")
    if dtype.kind == "U" and (data.view(np.uint32) > 0x10FFFF).any():
        raise ProtocolError(f"message: '{name}'", "numbers that are no letters", "texts")
    return data.view(dtype).reshape(shape)


def _check_sizes(header: int, payload: int, arrays: int) -> None:
    for what, size, limit in (("bytes of header", header, MAX_HEADER), ("bytes of arrays", payload, MAX_PAYLOAD), ("arrays", arrays, MAX_ARRAYS)):  # fmt: skip
        if size > limit:
            raise ProtocolError("message", f"{size} {what}", f"at most {limit}", "fewer rows, or smaller pictures")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
