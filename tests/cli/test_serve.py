"""`muse serve` in a process of its own, as a person uses it: started, asked, killed, started again."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from muse.cli.main import main
from muse.rollouts.evaluation import load_evaluation
from muse.serving.client import ConnectError, PolicyClient
from muse.serving.protocol import ServingError

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "cfgs/exp_point_mass/bc_rnn.py"
SMALL = ["%model", "%%action_decoder", "--hidden_size", 16, "%trainer", "--max_steps", 8, "--save_every_n_steps", 4]
SMALL += ["--rollout_train_env_every_n_steps", 0]


def run(*words):
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """A small trained experiment, in the current folder."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("serve"))
    data = "data/point_mass/scripted_200.npz"
    assert run("collect", "--max_eps", 12, "--save_file", data, RECIPE, "%policy", "cfgs/policy/point_mass_expert.py") == 0
    assert run("goal_train", "--no_wandb", RECIPE, *SMALL) == 0
    (config,) = Path().glob("experiments/**/config.py")
    yield config.parent
    os.chdir(before)


@contextlib.contextmanager
def serving(*words):
    """Starts `scripts/serve.py` and yields the process and the line that says that it is ready."""
    command = [sys.executable, str(ROOT / "scripts/serve.py"), *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def port_of(ready):
    return int(re.search(r"127.0.0.1:(\d+)", ready)[1])


def ends(process):
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


ASK = """
import sys, numpy as np
from muse.serving.client import PolicyClient
client = PolicyClient(port=int(sys.argv[1]))
client.reset(seed=0)
client.get_action({name: np.zeros(client.leaves[name].shape) for name in client.reads})
print("asked", flush=True)
sys.stdin.read()
"""


def test_episodes_through_a_server_are_those_of_the_experiment_and_both_sides_may_die(experiment):
    assert run("eval", "--max_eps", 6, "--save_dir", "here", f"exp={experiment}") == 0
    remote = ["%policy", "cfgs/policy/remote.py", "--port"]
    with serving("--port", 0, f"exp={experiment}") as (process, ready):
        port = port_of(ready)
        assert re.fullmatch(
            r"serving on 127.0.0.1:\d+: point_mass/\S+, \w+.pt \(step \d\); reads ego \(2,\), target \(2,\), objects/position \(3, 2\); acts by action \(2,\)\n",
            ready,
        ), ready
        assert run("eval", "--max_eps", 6, "--save_dir", "there", f"exp={experiment}", *remote, port) == 0
        here, there = (load_evaluation(folder) for folder in ("here", "there"))
        assert (here.successes, here.lengths) == (there.successes, there.lengths)
        assert np.allclose(here.returns, there.returns)
        assert run("collect", "--max_eps", 2, "--save_file", "data/remote.npz", f"exp={experiment}", *remote, port) == 0

        asker = subprocess.Popen(
            [sys.executable, "-c", ASK, str(port)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with asker:
            assert asker.stdout.readline() == "asked\n"
            asker.send_signal(signal.SIGKILL)
        with PolicyClient(port=port) as client:
            client.reset(seed=0)
            obs = {name: np.zeros(client.leaves[name].shape) for name in client.reads}
            first = client.get_action(obs)["action"]
            process.send_signal(signal.SIGKILL)
            process.wait()
            with pytest.raises(ServingError, match="the server ended the connection before it answered 'act'"):
                client.get_action(obs)
            with pytest.raises(ConnectError, match=r"Connection refused; expected a server of Muse\n  try: muse serve"):
                client.connect()
            with serving("--port", port, f"exp={experiment}") as (process, ready):
                assert port_of(ready) == port
                client.connect()
                client.reset(seed=0)
                assert np.array_equal(client.get_action(obs)["action"], first)
                process.send_signal(signal.SIGTERM)
                assert ends(process) == (0, "stopped after 1 actions\n", "")


def test_ctrl_c_and_a_unix_socket(experiment):
    with serving("--socket", "policy.sock", f"exp={experiment}") as (process, ready):
        assert ready.startswith("serving on policy.sock: ")
        with PolicyClient(path="policy.sock") as client:
            client.reset()
            process.send_signal(signal.SIGINT)
            assert ends(process) == (0, "stopped after 0 actions\n", "")
    assert not Path("policy.sock").exists()


def test_an_address_that_is_taken(experiment, capsys):
    with serving("--port", 0, f"exp={experiment}") as (_, ready):
        port = port_of(ready)
        assert run("serve", "--port", port, f"exp={experiment}") == 1
        assert f"error: 127.0.0.1:{port}: cannot listen there (Address already in use)" in capsys.readouterr().err


def test_mistakes(experiment, capsys):
    assert run("serve", RECIPE) == 1
    assert "a recipe has no trained weights" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        run("serve", "--port", "x", f"exp={experiment}")
    assert end.value.code == 2 and "x is not a port" in capsys.readouterr().err
    assert run("serve", "--model_file", "none.pt", f"exp={experiment}") == 1
    capsys.readouterr()
    assert run("eval", f"exp={experiment}", "%policy", "cfgs/policy/remote.py", "--port", 1) == 1
    assert "error: 127.0.0.1:1: Connection refused" in capsys.readouterr().err


def test_latency_is_measured(experiment, capfd):
    assert run("serve", "--latency", 5, "--no_model_file", RECIPE, *SMALL) == 0
    out = capfd.readouterr().out
    assert "first weights" in out and re.search(r"median \d+.\d\d ms, .* \(5 actions\)", out)


def test_a_scripted_policy_is_served_too(experiment, capfd):
    assert run("serve", "--latency", 3, RECIPE, "%policy", "cfgs/policy/point_mass_expert.py") == 0
    assert "no model" in capfd.readouterr().out
