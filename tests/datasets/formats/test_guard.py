import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import guarded_calls
import numpy as np
import pytest
from made_robomimic import assert_same_data, make_file

from muse.datasets import DataError
from muse.datasets.formats import guard
from muse.datasets.formats.guard import read_guarded, run_guarded
from muse.datasets.formats.robomimic import RobomimicFormat
from muse.datasets.formats.work import Work
from muse.utils.errors import OptionError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
GIB = 2**30


def fails(call, *arguments):
    with pytest.raises(DataError) as caught:
        run_guarded(call, arguments, "data/a.hdf5")
    return str(caught.value).split("; expected")[0]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_a_child_returns_what_it_is_called_for_and_tells_on_the_way():
    told = []
    assert run_guarded(guarded_calls.add, (np.arange(3), 1), "a", lambda *done: told.append(done)).tolist() == [1, 2, 3]
    assert told == [(1, 2), (2, 2)]
    (first, helper), (second, same) = (run_guarded(guarded_calls.tell_pid, (), "a") for _ in range(2))
    assert len({first, second, os.getpid()}) == 3 and helper == same != os.getpid()


def test_what_the_progress_raises_is_told_as_it_is():
    """A pipe that nobody reads any more, a full disk: not the end of the child."""

    def tell(done, total):
        raise BrokenPipeError("nobody reads")

    with pytest.raises(BrokenPipeError, match="nobody reads"):
        run_guarded(guarded_calls.add, (1, 1), "a", tell)
    assert run_guarded(guarded_calls.add, (1, 1), "a") == 2


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, signal.SIGBUS])
def test_a_child_that_dies_is_an_error(number):
    name = signal.Signals(number).name
    assert fails(guarded_calls.die_by_signal, number) == f"data/a.hdf5: the library that reads it broke down (killed by {name})"
    assert run_guarded(guarded_calls.add, (1, 1), "a") == 2


def test_a_child_that_leaves_is_an_error():
    assert fails(guarded_calls.leave) == "data/a.hdf5: the library that reads it broke down (exit status 3)"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit counts mapped files elsewhere")
def test_memory_is_limited(monkeypatch):
    monkeypatch.setattr(guard, "MEMORY_BYTES", GIB // 4)
    assert run_guarded(guarded_calls.take_memory, (GIB // 8,), "a") == GIB // 8
    assert fails(guarded_calls.take_memory, GIB // 2) == "data/a.hdf5: takes more than 0.25 GiB of memory to read"


def test_what_a_library_raises_is_an_error_with_its_traceback():
    with pytest.raises(DataError) as caught:
        run_guarded(guarded_calls.divide, (), "data/a.hdf5")
    assert str(caught.value).startswith("data/a.hdf5: cannot be read (ZeroDivisionError: division by zero)")
    assert "guarded_calls.py" in "".join(getattr(caught.value, "__notes__", ["guarded_calls.py"]))


def test_an_error_of_ours_comes_as_it_is():
    with pytest.raises(OptionError, match="try: --map"):
        run_guarded(guarded_calls.refuse, (), "b")
    assert fails(guarded_calls.refuse_data) == "a.hdf5: cut short"


def test_silence_ends_a_child(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "SILENCE_SECONDS", 0.3)
    assert fails(guarded_calls.hang, str(tmp_path / "pid")) == "data/a.hdf5: nothing read for 0.3 s"
    assert wait_until(lambda: not is_alive(int((tmp_path / "pid").read_text())))
    monkeypatch.setattr(guard, "SILENCE_SECONDS", 60.0)
    assert run_guarded(guarded_calls.add, (1, 1), "a") == 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_program(tmp_path, number):
    code = (
        "import signal, sys; sys.path[:] = eval(sys.argv[1]); import guarded_calls; from muse.datasets.formats.guard import run_guarded;"
        # A test run in the background has its interrupts ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "run_guarded(guarded_calls.hang, (sys.argv[2],), 'a')"
    )
    pid = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", code, repr(sys.path), str(pid)], stderr=subprocess.DEVNULL) as program:
        assert wait_until(lambda: pid.exists() and pid.read_text(), 60)
        child = int(pid.read_text())
        helper = int(next(s for s in Path(f"/proc/{child}/status").read_text().splitlines() if s.startswith("PPid")).split()[1])
        program.send_signal(number)
    assert wait_until(lambda: not is_alive(child) and not is_alive(helper))


def test_a_dataset_is_what_it_is_when_read_here(tmp_path):
    file = make_file(tmp_path / "a.hdf5")
    form = RobomimicFormat({})
    expected, fates = form.read(file, {}, (), Work())
    told = []
    found, same = read_guarded(form, file, {}, (), Work(), lambda *done: told.append(done))
    assert_same_data(found, expected)
    assert same == fates and told[-1] == (4, 4) and found.where == str(file)
    with Work.beside(tmp_path / "b.muse", {}) as work:
        reading = work.stage("read")
        found, same = read_guarded(form, file, {"obs/object": "thing"}, ["train"], reading)
        assert reading.done == 2 and isinstance(found.steps["thing"], np.memmap)
        assert reading.folder in Path(found.steps["thing"].filename).parents


def test_a_file_that_is_cut_short_says_so(tmp_path):
    file = make_file(tmp_path / "a.hdf5")
    (tmp_path / "b.hdf5").write_bytes(file.read_bytes()[:5000])
    with pytest.raises(DataError, match="cut short"):
        read_guarded(RobomimicFormat({}), tmp_path / "b.hdf5", {}, (), Work())
