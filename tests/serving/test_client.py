"""The robot's side: what it needs, what it checks, what it says when the server does not answer."""

import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from served import SPEC, draw_obs

from muse.serving.client import ConnectError, LateAnswerError, PolicyClient
from muse.serving.latency import draw_observation, main, measure_latency
from muse.serving.protocol import ConnectionLostError, Message, ProtocolError, ServingError, receive, send

ROOT = Path(__file__).resolve().parents[2]

NEEDS = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "attrdict", "gymnasium", "scipy", "rich", "matplotlib"):
            raise ImportError(f"no {name} on a robot's machine")
sys.meta_path.insert(0, Refuse())
import numpy as np
from muse.serving.chunk_executor import ChunkExecutor
from muse.serving.client import PolicyClient
import muse.serving.latency
others = {name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"numpy", "muse", "__main__"}
assert not [name for name in others if name in ("torch", "attrdict")], others
with PolicyClient(port=int(sys.argv[1])) as client, ChunkExecutor(client) as executor:
    executor.reset(seed=0)
    obs = {name: np.zeros(client.leaves[name].shape, np.float32) for name in client.reads}
    print(executor.get_action(obs)["action"].shape)
"""


def test_it_needs_numpy_alone(port):
    done = subprocess.run([sys.executable, "-c", NEEDS, str(port)], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "(2,)\n"), done.stderr


def test_it_knows_what_is_served(client):
    assert client.reads == ("ego", "target") and client.actions == ("action",)
    leaf = client.leaves["action"]
    assert (leaf.shape, leaf.dtype, leaf.low.tolist(), leaf.role) == (
        (2,),
        np.float32,
        SPEC.leaf("action").low.tolist(),
        "action",
    )
    assert client.about["policy"] == "GCBCPolicy" and client.about["model"] == "BaseGCBC"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eggo": np.zeros(2)}, r"obs: 'eggo': unknown to the policy \(did you mean 'ego'\?\)"),
        ({"ego": np.zeros(3)}, r"obs: 'ego': shape \(3,\); expected shape \(2,\)"),
        ({"ego": np.array(["a", "b"])}, "obs: 'ego': type <U1; expected type float32"),
        ({"ego": None}, "obs: 'ego': missing; expected all of ego, target"),
    ],
)
def test_observations_are_checked_before_they_are_sent(client, change, message):
    client.reset()
    obs = {name: value for name, value in {**draw_obs(), **change}.items() if value is not None}
    with pytest.raises(ServingError, match=message):
        client.get_action(obs)
    assert client.get_action({name: value.astype(float) for name, value in draw_obs().items()})["action"].dtype == np.float32


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("ego", {"name": "egos"}, r"'ego': missing \(did you mean 'egos'\?\)"),
        ("ego", {"shape": (3,), "low": -1, "high": 1}, r"'ego': shape \(3,\); expected shape \(2,\), as the policy of"),
        ("action", {"dtype": np.float64}, "'action': type float64; expected type float32"),
        ("ego", {"unit": "km"}, "'ego': unit km; expected unit m"),
        ("action", {"high": 7.0}, r"'action': high \[7.0, 7.0\]; expected high"),
    ],
)
def test_a_world_that_does_not_fit_is_refused(client, name, change, message):
    leaves = [SPEC.leaf(one) for one in SPEC.all_names]
    client.check_names(leaves)
    with pytest.raises(ServingError, match=message):
        client.check_names([replace(leaf, **change) if leaf.name == name else leaf for leaf in leaves])


class Answers:
    """A server that answers each connection with what it is given, in order, and then says nothing."""

    def __init__(self, *answers):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answers, self.socks = list(answers), []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        sock, _ = self.listener.accept()
        self.socks.append(sock)
        for answer in self.answers:
            receive(sock)
            if isinstance(answer, Message):
                send(sock, answer)
            else:
                sock.sendall(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.join()
        for sock in (*self.socks, self.listener):
            sock.close()


def welcome(**change):
    leaves = [SPEC.leaf(name).to_dict() for name in ("ego", "action")]
    return Message("welcome", {"leaves": leaves, "reads": ["ego"], "actions": ["action"], "about": {}, **change})


def test_no_server(server, port):
    server.close()
    with pytest.raises(
        ConnectError, match=rf"127.0.0.1:{port}: Connection refused; expected a server of Muse\n  try: muse serve"
    ):
        PolicyClient(port=port)
    with pytest.raises(ConnectError, match=r"nowhere.sock: No such file"):
        PolicyClient(path="nowhere.sock")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n" + b"\0" * 20, "it begins with b'SSH-'"),
        (b"MUSE\0\x09" + b"\0" * 12, "version 9 of the protocol; expected version 1"),
        (Message("done"), "another server, or one that is ending"),
        (Message("welcome", {"leaves": []}), "KeyError"),
        (welcome(reads=["nose"]), "no leaf 'nose' that it names"),
        (welcome(leaves=[{**SPEC.leaf("ego").to_dict(), "dtype": "no"}]), "TypeError"),
    ],
)
def test_another_server(answer, message):
    with Answers(answer) as other, pytest.raises(ConnectError, match=message):
        PolicyClient(port=other.port)


def test_a_server_that_is_silent_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ConnectError, match="no answer in time"):
        PolicyClient(port=silent.getsockname()[1], connect_timeout=0.05)
    with Answers(welcome()) as other:
        client = PolicyClient(port=other.port, timeout=0.05)
        with pytest.raises(LateAnswerError, match="no answer to 'reset' for 0.05 s"):
            client.reset()
        with pytest.raises(ServingError, match=r"not connected.*\n.*client.connect\(\), then client.reset\(\)"):
            client.reset()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Message("done"), "the answer 'done' to 'act'"),
        (
            Message("action", {}, {"action": np.zeros((1, 3), np.float32)}),
            r"'action': shape \(1, 3\); expected shape \(B, 2\)|\(B, 2\)",
        ),
        (Message("action", {}, {}), "'action': shape None"),
        (b"nonsense" * 3, "it begins with b'nons'"),
    ],
)
def test_an_answer_that_is_none(answer, message):
    with Answers(welcome(), Message("done"), answer) as other:
        client = PolicyClient(port=other.port)
        client.reset()
        with pytest.raises(ProtocolError, match=message):
            client.get_action({"ego": np.zeros(2)})
        assert not client.is_connected


def test_an_interrupt_leaves_no_answer_for_the_next_question(client, monkeypatch):
    client.reset(seed=0)

    def interrupt(sock):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("muse.serving.client.receive", interrupt)
        with pytest.raises(KeyboardInterrupt):
            client.get_action(draw_obs())
    with pytest.raises(ConnectionLostError, match="not connected"):
        client.get_action(draw_obs(1))
    client.connect()
    client.reset(seed=0)


def test_latency_is_measured(client, server, capsys):
    obs, goal = draw_observation(client.leaves, np.random.default_rng(0))
    assert set(obs) == set(SPEC.observation_names) and goal == {}
    before = server.actions
    latency = measure_latency(client, 5, warmup=2)
    assert server.actions - before == 7 and len(latency.seconds) == 5 and (latency.seconds > 0).all()
    assert latency.percentile(50) <= latency.percentile(99)
    assert main([server.address, "3"]) == 0 and "(3 actions)" in capsys.readouterr().out
    server.close()
    assert main([server.address]) == 1 and "Connection refused" in capsys.readouterr().err
