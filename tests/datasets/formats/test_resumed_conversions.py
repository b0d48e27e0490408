"""A conversion that is killed goes on where it was, and what comes of it is what an uninterrupted one gives."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from made_robomimic import assert_same_data, content_of

from muse.cli.main import main
from muse.datasets import DataError
from muse.datasets.formats.conversion import convert
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.registry import find_format, get_format, open_data
from muse.datasets.formats.work import Work, identify
from muse.datasets.loading import read_file, write_file

pytest.importorskip("h5py")
pytest.importorskip("zarr")
ROOT = Path(__file__).resolve().parents[3]
EPISODES = 12

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def made(episodes=EPISODES, size=8):
    rng = np.random.default_rng(0)
    ends = np.cumsum(rng.integers(2, 9, episodes))
    rows = int(ends[-1])
    steps = {
        "state": rng.random((rows, 3)).astype(np.float32), "action": rng.uniform(-1, 1, (rows, 2)),
        "image": rng.integers(0, 256, (rows, size, size, 3)).astype(np.uint8),
    }  # fmt: skip
    return EpisodeData(steps, {"param/size": rng.random((episodes, 2))}, ends, {"splits": {"train": [1, 4]}}, "made")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_file("a.npz", made())
    # Every episode is put on the disk, so that each is a place where a program may be killed.
    monkeypatch.setattr(Work, "sync_seconds", 0.0)
    monkeypatch.setattr("muse.datasets.formats.zarr.writing._CHUNK_BYTES", 1000)


def go(source, target, form="", at=("", 0), told=None):
    """Converts; the program kills itself after an episode of a stage."""

    def progress(stage):
        def tell(done, total):
            if told is not None:
                told.append((stage, done))
            if (stage, done) == at:
                os.kill(os.getpid(), signal.SIGKILL)

        return tell

    reader, writer = find_format(source)(), (get_format(form) if form else find_format(target))()
    return convert(Path(source), Path(target), reader, writer, {}, (), {}, progress)


def killed(*words):
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            go(*words)
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def content(path):
    """Returns every file of a dataset, those of HDF5 and archives by what is in them."""
    if not path.is_dir():
        return content_of(path) if path.suffix == ".hdf5" else path.read_bytes()
    return {file.relative_to(path).as_posix(): content(file) for file in sorted(path.rglob("*")) if file.is_file()}


FORMS = [("robomimic", "b.hdf5"), ("zarr", "b.zarr"), ("zarr", "b.zarr.zip"), ("minari", "b-v0"), ("episodes", "b")]


@pytest.mark.parametrize(("form", "name"), FORMS)
def test_writing_goes_on(form, name):
    killed("a.npz", name, form, ("write", 7))
    assert not Path(name).exists()
    killed("a.npz", name, form, ("write", 10))
    told = []
    go("a.npz", name, form, told=told)
    assert told == [("write", done) for done in (11, 12)]
    assert sorted(path.name for path in Path().iterdir()) == ["a.npz", name]
    go("a.npz", f"whole/{name}", form)
    if not name.endswith(".zip"):
        assert content(Path(name)) == content(Path("whole", name))
    assert_same_data(open_data(name), open_data(f"whole/{name}"))
    assert_same_data(open_data(name), read_file("a.npz"), ("robomimic", "spec", "version"))


@pytest.mark.parametrize(("form", "name"), FORMS)
@pytest.mark.parametrize("target", ["c.npz", "c.muse", "c.zarr"])
def test_reading_goes_on(form, name, target, monkeypatch):
    # Here, where each episode is told before the next is read.
    monkeypatch.setattr("muse.datasets.formats.conversion.read_guarded", lambda form, *arguments: form.read(*arguments))
    go("a.npz", name, form)
    killed(name, target, "", ("read", 6))
    told = []
    go(name, target, told=told)
    assert [done for stage, done in told if stage == "read"] == list(range(7, 13))
    assert_same_data(open_data(target), read_file("a.npz"), ("robomimic", "spec", "version"))


def test_reading_in_a_child_goes_on():
    write_file("long.npz", made(200))
    go("long.npz", "b", "episodes")
    killed("b", "c.muse", "", ("read", 6))
    told = []
    go("b", "c.muse", told=told)
    read = [done for stage, done in told if stage == "read"]
    # The child had gone on until it was ended with the program.
    assert read == list(range(201 - len(read), 201)) and len(read) <= 194
    assert_same_data(open_data("c.muse"), read_file("long.npz"), ("spec", "version"))


def test_a_reading_that_was_finished_is_not_done_again():
    go("a.npz", "b.hdf5")
    killed("b.hdf5", "c.zarr", "", ("write", 3))
    told = []
    go("b.hdf5", "c.zarr", told=told)
    assert {stage for stage, _ in told} == {"write"} and told[0] == ("write", 4)


@pytest.mark.parametrize("name", ["b.hdf5", "b.zarr.zip", "b.npz", "b.muse"])
def test_what_a_killed_end_leaves_is_cleared_away(name, monkeypatch):
    """The program dies while it puts the whole together."""
    from muse.datasets.formats import building

    die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(building, "publish", die)
        patch.setattr(building, "put_folder", die)
        killed("a.npz", name)
    assert sorted(path.name for path in Path().iterdir()) == [f".{name}.work", "a.npz"]
    told = []
    go("a.npz", name, told=told)
    assert told == [] and sorted(path.name for path in Path().iterdir()) == ["a.npz", name]
    assert_same_data(open_data(name), read_file("a.npz"), ("robomimic", "spec", "version"))


def test_another_source_begins_anew():
    killed("a.npz", "b.zarr", "", ("write", 7))
    write_file("a.npz", made(5))
    told = []
    go("a.npz", "b.zarr", told=told)
    assert told[0] == ("write", 1) and len(open_data("b.zarr").ends) == 5


@pytest.mark.parametrize("lost", ["read/arrays", "write/parts"])
def test_what_lost_its_rows_begins_anew(lost):
    import shutil

    go("a.npz", "a.hdf5")
    killed("a.hdf5", "b-v0", "minari", ("write", 7))
    shutil.rmtree(f".b-v0.work/{lost}")
    told = []
    go("a.hdf5", "b-v0", "minari", told=told)
    assert (lost.partition("/")[0], 1) in told
    assert_same_data(open_data("b-v0"), read_file("a.npz"), ("robomimic", "spec", "version"))


@pytest.mark.slow
def test_a_killed_command(tmp_path):
    """The command itself, killed from outside at any moment."""
    write_file("big.npz", made(60, 64))
    go("big.npz", "big.hdf5")
    words = [sys.executable, "-m", "muse", "convert", "big.hdf5", "out.zarr"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not Path(".out.zarr.work").exists() and child.poll() is None:
        time.sleep(0.001)
    time.sleep(0.05)
    child.kill()
    child.wait()
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=100)
    # It may have been finished by then: it is refused to do it once more.
    assert done.returncode == 0 or "is there already" in done.stderr
    assert_same_data(open_data("out.zarr"), open_data("big.hdf5"))
    assert not Path(".out.zarr.work").exists() or done.returncode


def test_one_at_a_time(tmp_path):
    with Work.beside("x.npz", {}), pytest.raises(DataError, match="another program is converting to it"):
        Work.beside("x.npz", {})
    assert not Path(".x.npz.work").exists()


def test_the_disk_is_asked_about_once_a_second(monkeypatch):
    monkeypatch.setattr(Work, "sync_seconds", 1.0)
    calls = []
    monkeypatch.setattr(os, "fsync", lambda handle: calls.append(handle))
    with Work.beside("x.npz", {}) as work:
        array = work.allocate("a", (1000,), np.float32)
        begin = len(calls)
        for number in range(1000):
            array[number] = number
            work.commit(number + 1)
        assert work.done == 1000 and len(calls) - begin <= 6
        work.save()
        assert Work(work.folder)._read_state()["done"] == 1000


def test_no_room(monkeypatch):
    with pytest.raises(DataError) as told:
        Work().check_room(2**61, "a.zarr")
    assert "2.31e+06 TB of arrays; expected at most the" in str(told.value) and "GB of memory here" in str(told.value)
    with Work.beside("x.npz", {}) as work, pytest.raises(DataError, match="GB free at"):
        work.check_room(2**61, "a.zarr")


def test_what_identifies_a_source():
    before = identify(".")
    Path("a.npz").write_bytes(b"other")
    assert [row[0] for row in before] == ["a.npz"] and identify(".") != before


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no such call here")
def test_the_room_for_an_array_is_taken_before_it_is_filled():
    """A disk that gets full while a mapped file is filled would end the program by a signal."""
    array = Work(Path()).allocate("a", (2**17,), np.float64)
    (file,) = Path("arrays").iterdir()
    assert file.stat().st_blocks * 512 >= array.nbytes


@pytest.mark.parametrize(
    ("target", "form", "limit"), [("b.hdf5", "", 20_000), ("b-v0", "minari", 100_000), ("b.muse", "", 20_000)]
)
def test_a_disk_without_room_is_told_in_a_line_and_the_work_goes_on(target, form, limit):
    resource = pytest.importorskip("resource")
    write_file("a.npz", made(size=40))
    words = [sys.executable, "-m", "muse", "convert", "a.npz", target, *(["--to", form] if form else [])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    ended = subprocess.run(words, env=environment, preexec_fn=limited, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "the same command goes on from here" in ended.stderr and "File too large" in ended.stderr.splitlines()[-1]
    assert not Path(target).exists() and Path(f".{target}.work").exists()
    assert main(words[3:]) == 0
    assert np.array_equal(open_data(target).steps["image"], made(size=40).steps["image"])
