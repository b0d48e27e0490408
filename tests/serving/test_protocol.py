"""Messages come back as they were, and bytes that are none are refused."""

import contextlib
import json
import socket
import struct
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from muse.serving import protocol
from muse.serving.protocol import ConnectionLostError, Message, ProtocolError, decode, encode, receive, send

TYPES = st.one_of(
    hnp.boolean_dtypes(), hnp.integer_dtypes(endianness="?"), hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)), hnp.unicode_string_dtypes(min_len=1, max_len=5),
    hnp.byte_string_dtypes(min_len=1, max_len=5),
)  # fmt: skip
ARRAYS = TYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))
NAMES = st.text("abc/_", min_size=1, max_size=8)
MESSAGES = st.builds(
    Message,
    st.text(max_size=10),
    st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.booleans()), max_size=3),
    st.dictionaries(NAMES, ARRAYS, max_size=4),
)


def pack(header, payload=b"", magic=b"MUSE", version=protocol.VERSION, sizes=(None, None)):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size, rest = (given if given is not None else len(part) for given, part in zip(sizes, (text, payload), strict=True))
    return struct.pack("!4sHIQ", magic, version, size, rest) + text + payload


def assert_same(message, other):
    assert (message.kind, message.values) == (other.kind, other.values) and list(message.arrays) == list(other.arrays)
    for name, value in message.arrays.items():
        came = other.arrays[name]
        assert (
            came.shape == value.shape
            and came.dtype == value.dtype.newbyteorder("<")
            and came.tobytes() == value.astype(came.dtype).tobytes()
        )
        assert came.flags.writeable and came.flags.aligned


@given(MESSAGES)
def test_a_message_comes_back(message):
    assert_same(message, decode(b"".join(encode(message))))


@given(st.binary(max_size=200))
def test_bytes_are_refused_and_nothing_else_happens(data):
    with pytest.raises(ProtocolError):
        decode(data)


@given(MESSAGES, st.data())
def test_a_changed_or_cut_message_is_one_or_refused(message, data):
    whole = bytearray(b"".join(encode(message)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for spoiled in (bytes(whole), bytes(whole[:cut])):
        with contextlib.suppress(ProtocolError):
            decode(spoiled)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=8
    )
)
def test_any_list_of_arrays_is_one_or_refused(entry):
    with contextlib.suppress(ProtocolError):
        decode(pack({"kind": "act", "values": {}, "arrays": [entry]}))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GET / HTTP/1.1\r\nHost: robot\r\n\r\n", "it begins with b'GET '"),
        (pack({}, version=7), "version 7 of the protocol; expected version 1"),
        (pack(b"", sizes=(2**30, 0)), "1073741824 bytes of header; expected at most"),
        (pack(b"", sizes=(0, 2**40)), "1099511627776 bytes of arrays; expected at most"),
        (pack(b"{"), "header: JSONDecodeError"),
        (pack(b"[" * 100_000), "header: RecursionError"),
        (pack(b"1" * 10_000), "header: "),
        (pack({"kind": "act", "values": {"a": float("nan")}, "arrays": []}), "NaN is no JSON"),
        (pack({"kind": "act", "values": {}}), "KeyError"),
        (pack({"kind": 3, "values": {}, "arrays": []}), "of another type"),
        (pack({"kind": "act", "values": {}, "arrays": [["a", "|O", [1]]]}, b"\0" * 8), "the array ['a', '|O', [1]]"),
        (pack({"kind": "act", "values": {}, "arrays": [["a", "(9999999,)f4", []]]}), "the array"),
        (pack({"kind": "act", "values": {}, "arrays": [["a", "<f4", [-1]]]}), "the array"),
        (pack({"kind": "act", "values": {}, "arrays": [["a", "<f4", [2**40, 0]]]}), "the array"),
        (pack({"kind": "act", "values": {}, "arrays": [["a", "<f4", [True]]]}, b"\0" * 8), "the array"),
        (pack({"kind": "act", "values": {}, "arrays": [["a", "<f4", [2]]]}, b"\0" * 16), "16 bytes; expected 8"),
        (pack({"kind": "act", "values": {}, "arrays": [["a", "|b1", [1]]] * 2}, b"\0" * 16), "'a': twice"),
        (pack({"kind": "act", "values": {}, "arrays": [["a", "|b1", [1]]]}, b"\2" + b"\0" * 7), "a byte above 1"),
        (pack({"kind": "act", "values": {}, "arrays": [["a", "<U1", [1]]]}, b"\xff" * 8), "no letters"),
        (pack({"kind": "act", "values": {}, "arrays": []}) + b"x", "1 bytes behind its end"),
        (
            pack({"kind": "a", "values": {}, "arrays": [[str(i), "|b1", [0]] for i in range(2000)]}),
            "2000 arrays; expected at most 1024",
        ),
    ],
)
def test_what_is_wrong_is_said(data, message):
    with pytest.raises(ProtocolError) as error:
        decode(data)
    assert message in str(error.value)


@pytest.mark.parametrize("value", [np.array([object()]), np.zeros(2, complex), np.zeros(2, "f4,i4")])
def test_what_cannot_be_carried_is_refused(value):
    with pytest.raises(ProtocolError, match="'a': type"):
        encode(Message("act", {}, {"a": value}))
    with pytest.raises(ProtocolError, match="values that JSON can hold"):
        encode(Message("act", {"a": value}))


@pytest.fixture
def pair():
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(5)
        other.settimeout(5)
        yield one, other


@pytest.mark.parametrize("pixels", [2, 500])
def test_messages_over_a_socket(pair, pixels):
    messages = [
        Message("act", {"n": n}, {"image": np.full((pixels, pixels, 3), n, np.uint8), "x": np.arange(3.0)[::2]}) for n in range(3)
    ]
    sender = threading.Thread(target=lambda: [send(pair[0], message) for message in messages])
    sender.start()
    for message in messages:
        assert_same(message, receive(pair[1]))
    sender.join()
    pair[0].close()
    assert receive(pair[1]) is None


def test_a_header_as_long_as_the_prefix(pair):
    for length in range(40, 60):
        message = Message("k" * length)
        send(pair[0], message)
        assert receive(pair[1]).kind == message.kind
    header = b'{"kind":"","values":{},"arrays":[]}'
    pair[0].sendall(pack(header))
    assert receive(pair[1]) == Message("")


def test_a_message_that_is_cut_and_one_that_does_not_come(pair):
    whole = b"".join(encode(Message("act", {}, {"a": np.zeros(100)})))
    pair[0].sendall(whole[:-20])
    with pytest.raises(TimeoutError):
        receive(pair[1], rest_timeout=0.05)
    assert pair[1].gettimeout() == 5
    pair[0].close()
    assert receive(pair[1]) is None


def test_a_message_whose_end_is_lost(pair):
    pair[0].sendall(b"".join(encode(Message("act", {}, {"a": np.zeros(100)})))[:-20])
    pair[0].close()
    with pytest.raises(ConnectionLostError, match="in the middle of a message"):
        receive(pair[1])
