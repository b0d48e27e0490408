"""Corrupted datasets of every form: a typed error each or whole episodes, no crash, no hang, no code run, memory bounded."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import spoiling
from made_robomimic import made_by_muse

from muse.datasets.formats import guard
from muse.datasets.formats.registry import format_names, get_format, open_data
from muse.datasets.formats.work import Work
from muse.utils.errors import MuseError

FORMS = format_names()
#: Of all forms together.
FAST, ALL = 500, 10_000
#: What a process may take while it reads broken files [bytes].
MEMORY = 2**30


#: Forms whose files libhdf5 parses.
HDF5_FORMS = ("robomimic", "minari")


def write(form, path):
    with Work.beside(path, {}) as work:
        get_format(form)().write(path, made_by_muse((3, 1, 4)), {}, (), work)
    return path


def run(form, folder, count, seed):
    """Spoils a dataset `count` times and reads it; returns the outcomes: what was done and what came of it."""
    suffix = next(iter(get_format(form).suffixes), "")
    whole, spoilt = folder / f"whole{suffix}", folder / f"spoilt{suffix}"
    write(form, whole)
    outcomes = {"read": 0, "refused": 0, "stopped": 0}
    for number in range(count):
        rng = random.Random(f"{form} {seed} {number}")
        done = spoiling.spoil(spoiling.copied(whole, spoilt), rng)
        try:
            data = open_data(spoilt, form)
        except MuseError as error:
            text = str(error)
            assert len(text) < 3000 and ";" in text, f"{form} {seed} {number}: {done}: {text}"
            outcomes["stopped" if "nothing read for" in text else "refused"] += 1
            # On some files libhdf5 goes round for ever: the child is ended, and the error says so. Nothing else may take that long.
            assert outcomes["stopped"] <= (count // 500 if form in HDF5_FORMS else 0), f"{form} {seed} {number}: {done}: it hangs"
        except BaseException as error:
            raise AssertionError(f"{form} {seed} {number}: {done}: {type(error).__name__}: {error}") from error
        else:
            outcomes["read"] += 1
            assert_whole(data, f"{form} {seed} {number}: {done}")
        assert not os.path.exists(os.environ[spoiling.SENTINEL]), f"{form} {seed} {number}: {done}: code was run"
    return outcomes


def assert_whole(data, what):
    lengths = np.diff(data.ends, prepend=0)
    assert np.all(lengths > 0), what
    for arrays, count in ((data.steps, data.num_rows), (data.onetime, len(data.ends))):
        for name, array in arrays.items():
            assert len(array) == count, (what, name)
            assert array.dtype.kind in "fiubUS", (what, name)
            if array.dtype.kind == "f" and arrays is data.steps:
                assert np.isfinite(array).all(), (what, name)


def main(form, folder, count, seed):
    import resource

    # Warm first, so that the limit is about what files make it take.
    write(form, Path(folder) / f"warm{next(iter(get_format(form).suffixes), '')}")
    held = int(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData")).split()[1])
    resource.setrlimit(resource.RLIMIT_DATA, (held * 1024 + MEMORY,) * 2)
    guard.MEMORY_BYTES, guard.SILENCE_SECONDS = MEMORY, 20.0
    print(run(form, Path(folder), int(count), int(seed)))


def start(form, folder, count, seed):
    for library in get_format(form).libraries:
        pytest.importorskip(library)
    environment = {**os.environ, spoiling.SENTINEL: str(folder / "sentinel"), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    code = "import sys; sys.path[:] = eval(sys.argv[1]); import test_fuzz; test_fuzz.main(*sys.argv[2:])"
    command = [
        sys.executable,
        "-c",
        code,
        repr([str(Path(__file__).parent), *sys.path]),
        form,
        str(folder),
        str(count),
        str(seed),
    ]
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr[-3000:]
    outcomes = eval(found.stdout)
    assert sum(outcomes.values()) == count and outcomes["refused"] > count / 4
    return outcomes


pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")


@pytest.mark.parametrize("form", FORMS)
def test_corrupted_files(form, tmp_path):
    start(form, tmp_path, -(-FAST // len(FORMS)), seed=0)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("form", FORMS)
def test_ten_thousand_corrupted_files(form, tmp_path):
    start(form, tmp_path, -(-ALL // len(FORMS)), seed=1)


def test_a_trap_would_be_seen(tmp_path, monkeypatch):
    import pickle

    monkeypatch.setenv(spoiling.SENTINEL, str(tmp_path / "sentinel"))
    pickle.loads(pickle.dumps(spoiling.Trap()))
    assert (tmp_path / "sentinel").is_dir()
