"""A process that is killed while it writes leaves the old data or the new, never half."""

import contextlib
import os
import random
import signal
import time

import numpy as np
import pytest

from muse.datasets.formats import folder, npz
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.loading import read_file
from muse.utils import files

FAST, SLOW = range(3), range(100, 120)
SEEDS = [*FAST, *(pytest.param(seed, marks=pytest.mark.slow) for seed in SLOW)]

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"),
    # A child that was forked beside torch's threads; it only writes files.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def episodes(numbers):
    """Returns episodes of different lengths, every element of which is the episode's number."""
    lengths = [3 + 5 * (number % 4) for number in numbers]
    marks = np.repeat(np.asarray(numbers, np.int64), lengths)
    steps = {
        "ego": np.repeat(marks[:, None], 2, 1),
        "b/image": np.ones((1, 90, 90, 3), np.uint8) * marks[:, None, None, None].astype(np.uint8),
    }
    return EpisodeData(
        steps, {"param/x": np.asarray(numbers, np.float64)[:, None]}, np.cumsum(lengths), {"last": list(numbers)[-1]}
    )


def assert_holds(data, numbers):
    wanted = episodes(numbers)
    assert np.array_equal(data.ends, wanted.ends) and data.meta["last"] == wanted.meta["last"]
    for held, its in ((data.steps, wanted.steps), (data.onetime, wanted.onetime)):
        assert set(held) == set(its) and all(np.array_equal(held[name], its[name]) for name in its)


def killed_while(write, seed):
    """Runs `write(1)`, `write(2)` ... in a child until it is killed; returns how many it was seen to finish."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            number = 1
            while True:
                write(number)
                os.write(writing, b".")
                number += 1
        finally:
            os._exit(1)
    os.close(writing)
    try:
        assert os.read(reading, 1) == b"."
        time.sleep(random.Random(seed).uniform(0, 0.15))
        os.kill(child, signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        done = 1
        while piece := os.read(reading, 1024):
            done += len(piece)
        return done
    finally:
        os.close(reading)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "storage"), [("a.npz", npz), ("a.muse", folder)])
def test_saving(tmp_path, name, storage, seed):
    path = tmp_path / name
    done = killed_while(lambda number: storage.write(path, episodes([number, number + 1])), seed)
    last = read_file(path).meta["last"] - 1
    assert last in (done, done + 1)
    assert_holds(read_file(path), [last, last + 1])
    storage.write(path, episodes([7]))
    assert_holds(read_file(path), [7])


@pytest.mark.parametrize("seed", SEEDS)
def test_saving_where_folders_cannot_be_exchanged(tmp_path, monkeypatch, seed):
    monkeypatch.setattr(files, "_exchange", lambda *_: False)
    path = tmp_path / "a.muse"
    done = killed_while(lambda number: folder.write(path, episodes([number])), seed)
    last = read_file(path).meta["last"]
    assert last in (done, done + 1)
    assert_holds(read_file(path), [last])


@pytest.mark.parametrize("seed", SEEDS)
def test_appending(tmp_path, seed):
    path = tmp_path / "a.muse"
    done = killed_while(lambda number: folder.append(path, episodes([number])), seed)
    count = len(read_file(path).ends)
    assert count in (done, done + 1)
    assert_holds(read_file(path), range(1, count + 1))
    folder.append(path, episodes([count + 1, count + 2]))
    assert_holds(read_file(path), range(1, count + 3))
    assert np.load(path / "ego.npy").shape == read_file(path).steps["ego"].shape


@pytest.mark.parametrize("step", range(12))
def test_appending_that_ends_at_any_step(tmp_path, monkeypatch, step):
    """Not by chance but at each sync: the disk holds what it holds there."""
    path = tmp_path / "a.muse"
    folder.append(path, episodes([1, 2]))
    left = step

    def stop(handle):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", stop)
        with contextlib.suppress(KeyboardInterrupt):
            folder.append(path, episodes([3]))
    held = range(1, len(read_file(path).ends) + 1)
    assert_holds(read_file(path), held)
    folder.append(path, episodes([len(held) + 1]))
    assert_holds(read_file(path), range(1, len(held) + 2))
