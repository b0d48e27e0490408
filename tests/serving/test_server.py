"""A server over real sockets: several clients, those that die, and those that talk nonsense."""

import os
import socket
import threading
import time

import numpy as np
import pytest
from attrdict import AttrDict as d
from served import SPEC, draw_obs, make_policy

from muse.policies.policy import Policy
from muse.serving.client import ConnectError, PolicyClient, RemoteError
from muse.serving.protocol import Message, ServingError, receive, send
from muse.serving.server import PolicyServer
from muse.utils.attrdicts import nest


def wait_until(condition):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")


def act_here(model, observations, seed):
    policy = make_policy()
    policy.reset_policy(np.ones(1, bool), [seed])
    return [policy.get_action(model, {k: v[None, None] for k, v in obs.items()}, {})["action"][0] for obs in observations]


def ask(port, message):
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        send(sock, message)
        return receive(sock)


def test_actions_are_those_of_the_policy_and_each_client_has_a_memory(model, port):
    observations = [draw_obs(t) for t in range(6)]
    with PolicyClient(port=port) as one, PolicyClient(port=port) as other:
        one.reset(seed=5)
        other.reset(seed=6)
        mine, theirs = [], []
        for obs in observations:
            mine.append(one.get_action(obs)["action"])
            theirs.append(other.get_action(obs)["action"])
        assert np.array_equal(mine, act_here(model, observations, 5))
        assert np.array_equal(theirs, act_here(model, observations, 6))
        assert not np.array_equal(mine, theirs)
        one.reset(seed=5)
        assert np.array_equal(one.get_action(observations[0])["action"], mine[0])


def test_a_chunk_of_a_policy_that_plans_one_step(client):
    client.reset(seed=1)
    chunk = client.get_action_chunk(draw_obs())["action"]
    client.reset(seed=1)
    assert chunk.shape == (1, 2) and np.array_equal(chunk[0], client.get_action(draw_obs())["action"])


def test_a_client_that_goes_is_forgotten_whenever_it_goes(server, port):
    client = PolicyClient(port=port)
    sock = socket.create_connection(("127.0.0.1", port))
    wait_until(lambda: server.clients == 2)
    client.close()
    sock.sendall(b"MUSE\x00\x01\x00\x00")
    sock.close()
    wait_until(lambda: server.clients == 0)


def test_too_many_clients_are_told(server, port):
    clients = [PolicyClient(port=port) for _ in range(3)]
    with pytest.raises(ConnectError, match="3 clients already"):
        PolicyClient(port=port)
    clients.pop().close()
    wait_until(lambda: server.clients == 2)
    PolicyClient(port=port).close()
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("kind", "values", "arrays", "message"),
    [
        ("atc", {}, {}, r"'atc' \(did you mean 'act'\?\)"),
        ("reset", {"rows": [1]}, {}, "reset: rows"),
        ("reset", {"rows": []}, {}, "reset: rows"),
        ("reset", {"rows": [True] * 5000}, {}, "1 to 4096"),
        ("reset", {"rows": [True], "seeds": ["x"]}, {}, "reset: seeds"),
        ("reset", {"rows": [True], "seeds": [1, 2]}, {}, "2 seeds for 1 rows"),
        ("act", {}, {"obs/egg": np.zeros((1, 1, 2), np.float32)}, r"unknown to the policy \(did you mean 'obs/ego'\?\)"),
        ("act", {}, {"obs/ego": np.zeros((1, 1, 2))}, "type float64"),
        ("act", {}, {"obs/ego": np.zeros((1, 1, 3), np.float32)}, "shape"),
        ("act", {}, {"obs/ego": np.zeros(2, np.float32)}, "shape"),
        ("act", {}, {"obs/ego": np.zeros((0, 1, 2), np.float32)}, "0 rows"),
        ("act", {}, {"obs/ego": np.full((1, 1, 2), np.nan, np.float32)}, "NaN or infinity"),
        ("act", {}, {"obs/ego": np.zeros((1, 1, 2), np.float32)}, "missing; expected all of ego"),
        ("act", {}, {f"obs/{k}": v[None, None] for k, v in draw_obs().items()}, "no row has begun"),
    ],
)  # fmt: skip
def test_a_bad_request_is_answered_and_the_connection_goes_on(port, kind, values, arrays, message):
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        send(sock, Message(kind, values, arrays))
        answer = receive(sock)
        assert answer.kind == "error" and answer.values["closes"] is False
        error = RemoteError(*(answer.values[part] for part in ("where", "got", "expected", "hint")))
        with pytest.raises(RemoteError, match=message):
            raise error
        send(sock, Message("hello"))
        assert receive(sock).kind == "welcome"


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: robot\r\n\r\n", b"\0" * 100, b"MUSE\0\x07" + b"\0" * 12])
def test_nonsense_is_answered_and_the_connection_ends(server, port, data):
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.sendall(data)
        answer = receive(sock)
        assert answer.kind == "error" and answer.values["closes"] is True and answer.values["error"] == "ProtocolError"
        assert receive(sock) is None
    wait_until(lambda: server.clients == 0)
    assert ask(port, Message("hello")).kind == "welcome"


class Breaks(Policy):
    uses_model = False

    def get_action(self, model, obs, goal):
        if obs["ego"][0, 0, 0] < 0.5:
            raise ZeroDivisionError("no action for this")
        return nest({"action": np.zeros((1, 2), np.float32)})

    def reset_policy(self, rows=None, seeds=None):
        pass


def test_a_policy_that_breaks_is_an_error_of_one_request(caplog):
    with (
        PolicyServer(lambda: Breaks(d(), SPEC), None, SPEC) as server,
        PolicyClient(port=int(server.listen(port=0).split(":")[1])) as client,
    ):
        client.reset()
        with pytest.raises(RemoteError, match="ZeroDivisionError: no action for this") as error:
            client.get_action({**draw_obs(), "ego": np.zeros(2)})
        assert error.value.error == "ZeroDivisionError" and "a request of kind 'act' failed" in caplog.text
        assert client.get_action({**draw_obs(), "ego": np.ones(2)})["action"].tolist() == [0, 0]
        assert client.is_terminated(draw_obs()) is False


def test_a_unix_socket(model, tmp_path):
    path = str(tmp_path / "policy.sock")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.close()
    with PolicyServer(make_policy, model, SPEC) as server:
        assert server.listen(path=path) == path and os.stat(path).st_mode & 0o777 == 0o600
        with PolicyClient(path=path) as client:
            client.reset()
            assert client.get_action(draw_obs())["action"].shape == (2,)
        with pytest.raises(ServingError, match="a server listens there already"):
            PolicyServer(make_policy, model, SPEC).listen(path=path)
    assert not os.path.exists(path)
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ServingError, match="is there already, and no socket"):
        PolicyServer(make_policy, model, SPEC).listen(path=str(tmp_path / "file"))


def test_an_address_that_cannot_be_had(server, port, model):
    for host, wanted in (("127.0.0.1", port), ("127.0.0.1", 70000), ("no.such.host.invalid", 0)):
        with pytest.raises(ServingError, match="cannot listen there|no port"):
            PolicyServer(make_policy, model, SPEC).listen(host, wanted)


def test_closing_ends_connections_and_threads(model):
    before = threading.active_count()
    server = PolicyServer(make_policy, model, SPEC)
    client = PolicyClient(port=int(server.listen(port=0).split(":")[1]))
    client.reset()
    server.close()
    server.close()
    assert threading.active_count() == before
    with pytest.raises(ServingError, match="the server ended the connection before it answered 'act'"):
        client.get_action(draw_obs())
    assert not client.is_connected
    with pytest.raises(ServingError, match="not connected"):
        client.get_action(draw_obs())
