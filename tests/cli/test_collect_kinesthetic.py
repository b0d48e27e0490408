"""Leading an arm by hand at a terminal, simulated hand and real terminal."""

import os
import pty
import re
import select
import subprocess
import sys
import time

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet

from muse.cli import collect_kinesthetic
from muse.cli.main import main
from muse.datasets.loading import read_file
from muse.envs.env import make
from muse.envs.polymetis.interface import RobotStopped
from muse.envs.polymetis.simulated_panda_env import SimulatedPandaEnv
from muse.experiments.assemble import assemble
from muse.utils.errors import OptionError
from muse.utils.terminal_keys import TerminalKeys

RECIPE = "cfgs/collect/kinesthetic.py"
SIM = ["%env_train", "cfgs/env/polymetis_panda_sim.py", "--hz", "20"]


class Script:
    """Keys of a person who does one thing after another: words for waits, and keys at polls by number."""

    def __init__(self, waits, polls=()):
        self.waits, self.polls, self.polled = list(waits), dict(polls), 0

    def wait(self, wanted):
        key = self.waits.pop(0)
        assert key in wanted
        return key

    def poll(self):
        self.polled += 1
        return self.polls.get(self.polled, "")


def lead(env, way=(0.55, 0.15, 0.2)):
    """Makes a hand that pulls the tip to a place like a spring, while the arm is soft."""

    def hand(seconds, position, velocity):
        return 60.0 * (np.array(way) - position) - 15.0 * velocity if env._servo.mode.value == "guided" else np.zeros(3)

    env.robot.hand = hand


@pytest.fixture
def place(tmp_path, monkeypatch):
    env = make(SimulatedPandaEnv, d(hz=20.0))
    experiment = assemble(d(env_train=d(cls=SimulatedPandaEnv, hz=20.0)), "a", with_datasets=False, with_model=False, num_envs=1)
    env.arm()
    lead(env)
    monkeypatch.chdir(tmp_path)
    yield env, experiment, tmp_path / "shown.npz"
    env.close()
    experiment.close()


def collect(place, keys, max_eps=1, max_steps=None, is_continue=False, guide_steps=200):
    env, experiment, path = place
    writer = collect_kinesthetic.open_writer(path, experiment, is_continue)
    collect_kinesthetic.collect(env, keys, writer, max_eps, max_steps, guide_steps)
    return writer


@needs_pybullet
def test_what_was_shown_is_repeated_by_the_arm_itself_and_saved(place, capsys):
    env, _, path = place
    # The gripper closes at the 20th step; 60 steps are shown.
    collect(place, Script("\n\ny", {20: " ", 60: "\n"}))
    out = capsys.readouterr().out
    assert "steps shown" in out and re.search(r"\b6\d steps shown", out)
    data = read_file(path)
    assert len(data.ends) == 1 and data.onetime["final/success"].all()
    position, action = data.steps["ee_position"], data.steps["action"]
    assert np.linalg.norm(position[-1] - [0.55, 0.15, 0.2]) < 0.03, "there the hand led it"
    assert np.linalg.norm(position[0] - [0.45, 0.0, 0.25]) < 0.01, "from home"
    assert 60 <= len(position) <= 70 and action.shape[1] == 7
    grips = action[:, -1]
    assert set(np.unique(grips)) == {0.0, 255.0} and 15 <= np.argmax(grips) <= 25
    assert np.abs(action[:, :3]).max() > 1e-3, "actions, not positions of a led arm"
    # The commands were the robot's own: it was stiff throughout.
    assert env._servo.mode.value == "pose"


@needs_pybullet
def test_a_person_drops_marks_goes_on_and_quits(place, capsys):
    _, _, path = place
    # Dropped while led; shown, then dropped; repeated, then dropped; kept as a failure; quit.
    keys = Script("\n" + "\nx" + "\n\nn" + "\n\nf" + "q", {8: "x", 20: "\n", 40: "\n", 60: "\n"})
    writer = collect(place, keys, max_eps=5)
    assert writer.num_episodes == 1 and keys.waits == []
    assert "dropped" in capsys.readouterr().out
    writer = collect(place, Script("\n\ny", {10: "\n"}), max_eps=2, is_continue=True)
    data = read_file(path)
    assert writer.num_episodes == len(data.ends) == 2 and data.onetime["final/success"].tolist() == [[False], [True]]
    assert data.meta["kinesthetic"] and data.meta["fingerprint"]["class"].endswith("SimulatedPandaEnv")


@needs_pybullet
def test_a_person_takes_as_long_as_they_like(place):
    env = place[0]

    class Slow(Script):
        def wait(self, wanted):
            env._clock.sleep_until(env._clock.now() + 60.0)
            return super().wait(wanted)

    assert collect(place, Slow("\n\ny" * 2, {15: "\n", 30: "\n"}), max_eps=2).num_episodes == 2


@needs_pybullet
def test_enough_steps_are_enough_and_a_demonstration_has_a_longest(place):
    writer = collect(place, Script("\n\ny" * 2), max_eps=None, max_steps=30, guide_steps=15)
    assert writer.num_episodes == 2 and 30 <= writer.num_rows <= 60


@needs_pybullet
def test_a_stop_keeps_what_was_saved_and_ends(place):
    env, _, path = place
    keys = Script("\n\ny\n\n", {10: "\n", 20: "\n"})
    original = env.begin_guiding

    def begin():
        if path.exists():
            env.robot.get_robot_state = lambda: (_ for _ in ()).throw(ConnectionError("gone"))
        return original()

    env.begin_guiding = begin
    with pytest.raises(RobotStopped, match="gone"):
        collect(place, keys, max_eps=3)
    assert len(read_file(path).ends) == 1


@needs_pybullet
def test_a_terminal_of_its_own(tmp_path):
    """The verb itself, its keys pressed at a pseudo-terminal."""
    ours, theirs = pty.openpty()
    words = [
        sys.executable,
        "-m",
        "muse",
        "collect_kinesthetic",
        "--max_eps",
        "1",
        "--save_file",
        "shown.npz",
        "--guide_steps",
        "500",
    ]
    env = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONUNBUFFERED": "1"}
    work = subprocess.Popen(
        [*words, RECIPE, *SIM], cwd=tmp_path, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env
    )
    os.close(theirs)
    said = ""

    def until(text):
        nonlocal said
        end = time.monotonic() + 120
        while text not in said:
            assert time.monotonic() < end, said
            if select.select([work.stdout], [], [], 1.0)[0]:
                data = os.read(work.stdout.fileno(), 4096)
                assert data, said
                said += data.decode()

    try:
        until("q: quit")
        os.write(ours, b"\r")
        until("lead it by hand")
        os.write(ours, b" ")
        time.sleep(0.5)
        os.write(ours, b"\r")
        until("step away")
        os.write(ours, b"\n")
        until("as a success")
        os.write(ours, b"y")
        until("1 episodes")
        assert work.wait(60) == 0
    finally:
        work.kill()
        work.wait()
        work.stdout.close()
        os.close(ours)
    data = read_file(tmp_path / "shown.npz")
    assert len(data.ends) == 1 and data.onetime["final/success"].all()


def test_without_a_terminal_nothing_asks(tmp_path, capsys, monkeypatch):
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert main(["collect_kinesthetic", "--max_eps", "1", "--save_file", str(tmp_path / "a.npz"), RECIPE, *SIM]) == 2
    assert "a person at a terminal" in capsys.readouterr().err


def test_mistakes_are_told(tmp_path, capsys):
    file = tmp_path / "a.npz"
    words = ["collect_kinesthetic", "--max_eps", "1", "--save_file", str(file)]
    assert main([*words, "cfgs/exp_point_mass/bc_rnn.py"]) == 2
    assert "a person can lead by hand" in capsys.readouterr().err
    file.write_bytes(b"")
    assert main([*words, RECIPE]) == 1
    assert "the file exists" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["collect_kinesthetic", "--save_file", str(file), RECIPE])


def test_keys_come_as_they_are_pressed_and_the_terminal_is_put_back():
    import termios

    ours, theirs = pty.openpty()
    try:
        with os.fdopen(theirs, closefd=False) as stream:
            before = termios.tcgetattr(theirs)
            with TerminalKeys(stream) as keys:
                assert keys.poll() == ""
                os.write(ours, b"A \r")
                time.sleep(0.1)
                assert keys.poll() == "a \n"
                os.write(ours, b"zzn")
                assert keys.wait("yn") == "n"
            assert termios.tcgetattr(theirs) == before
        with open(os.devnull) as nothing, pytest.raises(OptionError, match="no terminal"):
            TerminalKeys(nothing)
    finally:
        os.close(ours)
        os.close(theirs)
