"""A person at a window, at a terminal, and a process that is killed: real screens, real keys, real signals."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest

from muse.cli.main import main
from muse.datasets.loading import read_file

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "cfgs/exp_point_mass/bc_rnn.py"
ENV = {
    **{name: value for name, value in os.environ.items() if name != "SDL_VIDEODRIVER"},
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
}
TOOLS = [shutil.which(name) for name in ("Xvfb", "xdotool")]
needs_screen = pytest.mark.skipif(None in TOOLS, reason="apt-get install xvfb xdotool")
LINE = '{"twist": [%s, 0, 0, 0, 0, 0], "grip": 0, "pointer": null, "buttons": [%s]}\n'


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def start(line, **options):
    command = [sys.executable, str(ROOT / "scripts/interactive_collect.py"), *line.split()]
    return subprocess.Popen(command, env={**ENV, **options.pop("env", {})}, **options)


def wait_for(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {seconds} s")


def episodes(path):
    return len(read_file(path).ends) if Path(path).exists() else 0


def write_log(path, *episodes):
    """A log of a person who keeps an episode of each of these lengths."""
    with open(path, "w") as file:
        for length in episodes:
            file.write(LINE % (1, '"start"'))
            file.write(LINE % (0.5, "") * (length - 1))
            file.write(LINE % (0, '"keep"'))


def test_recorded_hands_collect_without_a_screen(capsys):
    write_log("log.jsonl", 3, 5)
    line = f"interactive_collect --panel none --hz 0 --save_file a.npz {RECIPE} %teleop cfgs/teleop/recorded.py --file log.jsonl"
    assert main(line.split()) == 0
    out = capsys.readouterr()
    assert "a.npz: 2 episodes, 8 steps, 2 of them new" in out.out and "you drive alone" in out.err
    data = read_file("a.npz")
    assert data.ends.tolist() == [3, 8] and data.meta["collection"]["by"] == "person"
    assert main(line.split()) == 1 and "--continue to add to it" in capsys.readouterr().err
    assert main(line.replace("--save_file", "--continue --max_eps 3 --save_file").split()) == 0
    assert read_file("a.npz").meta["collection"]["kept"] == [0, 1, 2]
    assert main(["data", "check", "a.npz"]) == 0


def test_a_log_is_not_written_over_itself(capsys):
    write_log("log.jsonl", 3)
    before = Path("log.jsonl").read_text()
    line = (
        f"--panel none --hz 0 --log_device log.jsonl --save_file a.npz {RECIPE} %teleop cfgs/teleop/recorded.py --file log.jsonl"
    )
    assert main(["interactive_collect", *line.split()]) == 1
    assert "log.jsonl: is there already" in capsys.readouterr().err and Path("log.jsonl").read_text() == before


def test_a_scripted_policy_acts_until_it_is_taken_over(capsys):
    Path("log.jsonl").write_text(
        LINE % (0, '"start"') + LINE % (0, "") + LINE % (1, '"take_over"') + LINE % (1, "") + LINE % (0, '"keep"')
    )
    line = f"interactive_collect --panel none --hz 0 --save_file a.npz --log_device again.jsonl {RECIPE}"
    line += " %policy cfgs/policy/point_mass_expert.py %teleop cfgs/teleop/recorded.py --file log.jsonl"
    assert main(line.split()) == 0
    assert read_file("a.npz").steps["policy_name"][:, 0].tolist() == ["policy", "policy", "person", "person"]
    assert [json.loads(one)["buttons"] for one in Path("again.jsonl").read_text().splitlines()][:3] == [
        ["start"],
        [],
        ["take_over"],
    ]
    assert main(["data", "cut", "a.npz", "b.npz", "--where", "policy_type == 1"]) == 0
    assert np.array_equal(read_file("b.npz").steps["action"], [[1, 0], [1, 0]])


def test_what_cannot_work_is_said_before_anything_is_built(capsys, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    cases = [
        (f"--save_file a.npz {RECIPE}", "no display", 1),
        (f"--save_file a.txt --panel none {RECIPE}", "a.txt", 1),
        (f"--save_file a.npz --panel none --hz -1 {RECIPE}", "--hz: -1.0; expected steps a second", 2),
        (f"--save_file a.npz --panel none --hz 1e-12 {RECIPE}", "--hz: 1e-12; expected steps a second, at least 0.1", 2),
        (f"--save_file a.npz --panel none {RECIPE}", "KeyboardDevice: no keys", 1),
        (f"--save_file a.npz --panel none {RECIPE} %teleop cfgs/teleop/recorded.py --file none.jsonl", "none.jsonl", 1),
        (f"--save_file a.npz --panel none {RECIPE} %teleop --gian 2", "did you mean '--gain'", 2),
        (f"--save_file a.npz --panel none {RECIPE} %teleop cfgs/teleop/keyboard.py --gian 2", "did you mean '--gain'", 2),
        ("--save_file a.npz --panel none cfgs/exp_gym/cartpole_bc.py", "cannot be driven by hand", 1),
    ]  # fmt: skip
    for line, message, status in cases:
        try:
            got = main(["interactive_collect", *line.split()])
        except SystemExit as stop:
            got = stop.code
        assert (got, message in capsys.readouterr().err) == (status, True), line
    assert not list(Path().iterdir())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_whatever_ends_it_the_kept_episodes_are_there(number):
    write_log("log.jsonl", *[4] * 300)
    line = f"--panel none --hz 100 --save_file a.muse {RECIPE} %teleop cfgs/teleop/recorded.py --file log.jsonl"
    process = start(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: episodes("a.muse") >= 3, "three episodes")
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    there = episodes("a.muse")
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    assert there >= 3 and read_file("a.muse").meta["collection"]["kept"] == list(range(there))
    assert number == signal.SIGKILL or f"a.muse: {there} episodes" in out.decode()
    write_log("log.jsonl", 2)
    again = line.replace("--save_file", "--continue --save_file").split()
    assert main(["interactive_collect", *again]) == 0
    data = read_file("a.muse")
    assert len(data.ends) == there + 1 and data.meta["collection"]["kept"] == list(range(there + 1))


def test_a_session_in_a_terminal():
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
    process = start(f"--panel terminal --save_file a.npz {RECIPE}", stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    text = ""

    def shows(pattern):
        nonlocal text
        with contextlib.suppress(OSError):  # Nobody is at the other end any more.
            while select.select([ours], [], [], 0)[0]:
                text += os.read(ours, 65536).decode(errors="replace")
        return re.search(pattern, text[-200_000:])

    def send(keys):
        nonlocal text
        text = ""
        os.write(ours, keys.encode())

    wait_for(lambda: shows("READY.*\n.*step 0"), "the first screen")
    assert "\u2580" in text and "space: start, pause" in text and "38;2;" in text
    send(" ")
    wait_for(lambda: shows("RUNNING"), "the start")
    for _ in range(5):
        send("\x1b[C")
        wait_for(lambda: shows(r"step \d+"), "a step")
        time.sleep(0.1)
    send("tgood\r")
    wait_for(lambda: shows("note: good"), "the note")
    send("y")
    wait_for(lambda: shows("1 kept"), "the episode")
    assert episodes("a.npz") == 1
    send("q")
    wait_for(lambda: (shows("."), process.poll() is not None)[1], "the end")
    shows(".")
    assert process.returncode == 0 and "\x1b[?25h" in text, "the cursor is back"
    data = read_file("a.npz")
    assert data.steps["action"][:, 0].max() == 1.0 and data.meta["collection"]["notes"] == {"0": "good"}
    process.stderr.close()
    os.close(ours)


@contextlib.contextmanager
def screen():
    """A virtual screen; yields its name."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x800x24", "-nolisten", "tcp"], pass_fds=[write], stderr=subprocess.DEVNULL
    )  # fmt: skip
    os.close(write)
    try:
        with open(read) as file:
            yield f":{file.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


@needs_screen
def test_a_session_in_a_window():
    """Keys and mouse come from a program, by the way of the screen; what is seen is the screen's."""
    with screen() as display:

        def tool(*words):
            done = subprocess.run(["xdotool", *words], env={**ENV, "DISPLAY": display}, capture_output=True, text=True)
            return done.stdout.split()

        def colour():
            """Of the bar, at the window's left edge."""
            import imageio_ffmpeg

            grab = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "x11grab", "-i", display, "-frames:v", "1"]
            got = subprocess.run([*grab, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True).stdout
            picture = np.frombuffer(got, np.uint8).reshape(800, 1000, 3)
            rows, columns = np.nonzero(picture.any(axis=2))
            return (0, 0, 0) if not len(rows) else tuple(picture[rows.min() + 2, columns.min() + 2].tolist())

        def key(name, then):
            tool("key", name)
            wait_for(lambda: colour() == then, f"what follows {name}")

        ready, running, paused = (40, 90, 160), (30, 120, 60), (170, 110, 20)
        process = start(f"--save_file a.npz --hz 20 {RECIPE} %env_train --num_steps 1000", env={"DISPLAY": display})
        try:
            wait_for(lambda: tool("search", "--name", "Muse: interactive") or colour() == ready, "the window")
            wait_for(lambda: colour() == ready, "the first picture")
            key("space", running)
            tool("keydown", "Left")
            time.sleep(0.5)
            tool("keyup", "Left")
            key("p", paused)
            key("space", running)
            # The mouse, held near the upper left corner of the picture.
            tool("mousemove", "250", "250", "mousedown", "1")
            time.sleep(0.5)
            tool("mouseup", "1")
            tool("key", "y")
            wait_for(lambda: episodes("a.npz") == 1, "the episode on the disk")
            wait_for(lambda: colour() == ready, "the next start")
            tool("key", "q")
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
        action = read_file("a.npz").steps["action"]
        assert action[:, 0].min() == -1.0 and (np.abs(action).max(axis=1) == 0).any()
        assert ((action[:, 1] > 0) & (action[:, 0] != 0)).any(), "the pointer led somewhere that keys do not"


def test_a_session_that_was_killed_goes_on_and_is_trained_on(capsys):
    write_log("log.jsonl", *[14] * 300)
    file = "data/point_mass/mine.npz"
    line = f"--panel none --hz 200 --save_file {file} {RECIPE} %teleop cfgs/teleop/recorded.py --file log.jsonl"
    process = start(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: episodes(file) >= 2, "two episodes")
    process.kill()
    process.wait()
    line = line.replace("--save_file", "--continue --max_eps 20 --save_file").replace("--hz 200", "--hz 0")
    assert main(["interactive_collect", *line.split()]) == 0
    assert episodes(file) == 20 and len(set(read_file(file).meta["collection"]["kept"])) == 20
    trainer = "%trainer --max_steps 4 --save_every_n_steps 2 --rollout_train_env_every_n_steps 0"
    assert main(f"goal_train --no_wandb {RECIPE} --dataset mine {trainer}".split()) == 0
    experiment = next(Path("experiments/point_mass").iterdir())
    # And what was trained acts, until it is taken over.
    Path("over.jsonl").write_text(LINE % (0, '"start"') + LINE % (0, "") + LINE % (1, '"take_over"') + LINE % (0, '"keep"'))
    over = f"--panel none --hz 0 --save_file over.npz exp={experiment} %teleop cfgs/teleop/recorded.py --file over.jsonl"
    assert main(["interactive_collect", *over.split()]) == 0
    assert read_file("over.npz").steps["policy_name"][:, 0].tolist() == ["policy", "policy", "person"]
