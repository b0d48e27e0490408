import os
import signal
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from attrdict import AttrDict

from muse.datasets.dataset import DataError
from muse.datasets.episode_writer import EpisodeWriter
from muse.datasets.loading import read_file
from muse.datasets.np_dataset import NpDataset
from muse.specs import SUCCESS, EnvSpec, Episode, Leaf
from muse.specs.leaf import SpecError

SPEC = EnvSpec(
    AttrDict(
        names_shapes_limits_dtypes=[
            ("ego", (2,), (0, 1), np.float32),
            ("image", (8, 9, 3), (0, 255), np.uint8),
            ("size", (), (0, 1), np.float32),
            ("final/success", (1,), (0, 1), bool),
        ],
        observation_names=["ego", "image"],
        param_names=["size"],
        final_names=["final/success"],
    )
)


def make_episode(seed, length=None, **changed):
    rng = np.random.default_rng(seed)
    length = length or int(rng.integers(1, 9))
    steps = {"ego": rng.random((length, 2), np.float32), "image": rng.integers(0, 256, (length, 8, 9, 3)).astype(np.uint8)}
    onetime = {"size": np.float32(rng.random()), "final": {"success": np.array([seed % 2 == 0])}}
    done = np.arange(1, length + 1) == length
    return Episode(AttrDict({**steps, **changed}), AttrDict(done=done), AttrDict(onetime))


@pytest.mark.parametrize("part_bytes", [1, 3000, 2**26])
@pytest.mark.parametrize("ending", [".npz", ".muse"])
def test_what_is_written_is_what_a_dataset_would_write(tmp_path, ending, part_bytes):
    writer = EpisodeWriter(tmp_path / f"one{ending}", SPEC, {"note": "x"}, part_bytes)
    dataset = NpDataset(AttrDict(output_file=str(tmp_path / f"other{ending}"), horizon=1), SPEC)
    dataset.meta["note"] = "x"
    for seed in range(12):
        writer.add_episode(make_episode(seed))
        dataset.add_episode(make_episode(seed))
    writer.save()
    dataset.save()
    one, other = (read_file(tmp_path / f"{name}{ending}") for name in ("one", "other"))
    assert writer.num_episodes == 12
    assert_same(one, other)


def test_a_folder_takes_no_memory_for_what_is_written(tmp_path):
    episode = make_episode(0, 500)
    size = sum(array.nbytes for array in episode.inputs.values())
    tracemalloc.start()
    writer = EpisodeWriter(tmp_path / "a.muse", SPEC, part_bytes=4 * size)
    for _ in range(100):
        writer.add_episode(make_episode(0, 500))
    writer.save()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Of 100 episodes: a part, the part laid together, its bytes, and what makes an episode here.
    assert size > 100_000 and peak < 20 * size
    assert len(read_file(tmp_path / "a.muse").ends) == 100


@pytest.mark.parametrize("part_bytes", [1, 2**26])
@pytest.mark.parametrize("ending", [".npz", ".muse"])
def test_a_dataset_goes_on_where_it_ended(tmp_path, ending, part_bytes):
    whole = EpisodeWriter(tmp_path / f"whole{ending}", SPEC, {"note": [0, 1, 2]})
    for seed in range(9):
        whole.add_episode(make_episode(seed))
    whole.save()
    path = tmp_path / f"parts{ending}"
    for number in range(3):
        there = read_file(path) if number else None
        writer = EpisodeWriter(path, SPEC, there.meta if there else {"note": []}, part_bytes, there)
        rows = there.num_rows if there else 0
        assert (writer.num_episodes, writer.num_rows) == (3 * number, rows)
        writer.meta["note"].append(number)
        for seed in range(3 * number, 3 * number + 3):
            writer.add_episode(make_episode(seed))
        writer.save()
    assert_same(read_file(tmp_path / f"whole{ending}"), read_file(path))


def assert_same(one, other):
    assert np.array_equal(one.ends, other.ends) and one.meta == other.meta
    for kind in ("steps", "onetime"):
        ours, theirs = getattr(one, kind), getattr(other, kind)
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[name], theirs[name]) and ours[name].dtype == theirs[name].dtype for name in ours)


@pytest.mark.parametrize("ending", [".npz", ".muse"])
def test_other_names_and_shapes_than_those_there_are_refused(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    writer = EpisodeWriter(path, SPEC)
    writer.add_episode(make_episode(0))
    writer.save()
    there, leaves = read_file(path), [SPEC.leaf(name) for name in SPEC.all_names]
    for spec, message in (
        (EnvSpec.from_leaves(leaves[1:]), "'ego': missing in the episodes to append; expected the same step names"),
        (EnvSpec.from_leaves(leaves[:3]), "'final/success': missing in the episodes to append"),
        (SPEC.extended([Leaf("speed", (), 0, 1, np.float32)]), "'speed': new with the episodes to append"),
        (EnvSpec.from_leaves([replace(leaves[0], dtype=np.float64), *leaves[1:]]), "expected shape .2,. float32, as there"),
    ):
        with pytest.raises(DataError, match=message):
            EpisodeWriter(path, spec, there=there)


def test_whether_an_episode_succeeded_is_what_it_says(tmp_path):
    spec = EnvSpec.from_leaves([SPEC.leaf("ego"), SUCCESS])
    writer = EpisodeWriter(tmp_path / "a.npz", spec)
    for success in (True, False, np.True_):
        episode = make_episode(0)
        writer.add_episode(Episode(episode.inputs, episode.outputs, success=success))
    with pytest.raises(SpecError, match="episode 3: 'final/success'"):
        writer.add_episode(Episode(episode.inputs, episode.outputs))
    # What the env itself records under that name counts.
    writer.add_episode(Episode(episode.inputs, episode.outputs, make_episode(1).onetime, True))
    writer.save()
    assert read_file(tmp_path / "a.npz").onetime["final/success"].tolist() == [[True], [False], [True], [False]]


@pytest.mark.parametrize("ending", [".npz", ".muse"])
def test_new_meta_data_alone_is_written(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    writer = EpisodeWriter(path, SPEC, {"seen": 0})
    writer.meta["seen"] = 5
    writer.save()
    there = read_file(path)
    assert there.meta["seen"] == 5 and len(there.ends) == 0 and there.steps["image"].shape == (0, 8, 9, 3)
    writer = EpisodeWriter(path, SPEC, there.meta, there=there)
    writer.add_episode(make_episode(1, 3))
    writer.save()
    writer.meta["seen"] = 9
    writer.save()
    assert read_file(path).meta["seen"] == 9 and read_file(path).ends.tolist() == [3]


def test_saving_twice_writes_once_and_adding_goes_on(tmp_path):
    for name in ("a.npz", "a.muse"):
        writer = EpisodeWriter(tmp_path / name, SPEC)
        writer.save()
        assert not (tmp_path / name).exists()
        for number in range(1, 4):
            writer.add_episode(make_episode(number))
            writer.save()
            writer.save()
            assert len(read_file(tmp_path / name).ends) == number


def test_the_old_dataset_is_replaced_as_a_whole(tmp_path):
    for name in ("a.npz", "a.muse"):
        for lengths in ((3, 4, 5), (2,)):
            writer = EpisodeWriter(tmp_path / name, SPEC)
            for length in lengths:
                writer.add_episode(make_episode(0, length))
            writer.save()
        assert read_file(tmp_path / name).ends.tolist() == [2]


KILLED = """
import os, signal, sys
sys.path[:0] = [sys.argv[2]]
from test_episode_writer import SPEC, EpisodeWriter, make_episode
writer = EpisodeWriter(sys.argv[1], SPEC, part_bytes=1)
for seed in range(6):
    writer.meta['seen'] = seed
    writer.add_episode(make_episode(seed))
writer.meta['seen'] = 6
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_program_leaves_the_episodes_that_it_wrote(tmp_path):
    words = [sys.executable, "-c", KILLED, str(tmp_path / "a.muse"), os.path.dirname(__file__)]
    assert subprocess.run(words, check=False, timeout=60).returncode == -signal.SIGKILL
    data = read_file(tmp_path / "a.muse")
    assert np.array_equal(data.steps["ego"], np.concatenate([make_episode(seed).inputs["ego"] for seed in range(5)]))
    assert data.meta["seen"] == 5 == len(data.ends)


def test_what_does_not_fit_is_refused_and_the_rest_is_written(tmp_path):
    writer = EpisodeWriter(tmp_path / "a.npz", SPEC)
    writer.add_episode(make_episode(0, 3))
    with pytest.raises(SpecError, match=r"a.npz: episode 1: 'ego': shape \(3, 1\)"):
        writer.add_episode(make_episode(1, 3, ego=np.zeros((3, 1), np.float32)))
    with pytest.raises(DataError, match=r"a.npz: episode 1: 'ego': NaN or infinity in row 1"):
        writer.add_episode(make_episode(1, 3, ego=np.array([[0, 0], [0, np.nan], [0, 0]], np.float32)))
    writer.save()
    assert read_file(tmp_path / "a.npz").ends.tolist() == [3]
    with pytest.raises(DataError, match=r"expected a .npz file or a .muse folder"):
        EpisodeWriter(tmp_path / "a.mp4", SPEC)


def test_two_writers_of_one_folder_are_noticed(tmp_path):
    one, other = (EpisodeWriter(tmp_path / "a.muse", SPEC) for _ in range(2))
    for writer in (one, other):
        writer.add_episode(make_episode(0))
        writer.save()
    other.add_episode(make_episode(1))
    other.save()
    one.add_episode(make_episode(2))
    with pytest.raises(DataError, match="2 episodes; expected the 1 written so far"):
        one.save()


def test_an_archive_larger_than_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("muse.datasets.episode_writer.physical_memory", lambda: 5000)
    writer = EpisodeWriter(tmp_path / "a.npz", SPEC)
    with pytest.raises(DataError, match=r"what fits into memory twice\n  try: a name that ends in .muse"):
        for seed in range(20):
            writer.add_episode(make_episode(seed))
    writer.save()
    assert len(read_file(tmp_path / "a.npz").ends) == writer.num_episodes == seed > 0


@pytest.mark.parametrize("name", ["a.npz", "a.muse"])
@pytest.mark.parametrize("saved", [True, False])
def test_the_last_episode_is_taken_back(tmp_path, name, saved):
    writer = EpisodeWriter(tmp_path / name, SPEC, {"count": 0})
    for seed in range(3):
        writer.add_episode(make_episode(seed))
        if saved:
            writer.save()
    writer.meta["count"] = 2
    writer.drop_last()
    assert (writer.num_episodes, writer.num_rows) == (2, len(make_episode(0)) + len(make_episode(1)))
    data = read_file(tmp_path / name)
    assert len(data.ends) == 2 and data.meta["count"] == 2
    writer.add_episode(make_episode(5))
    writer.save()
    fresh = EpisodeWriter(tmp_path / f"fresh{name[1:]}", SPEC, {"count": 2})
    for seed in (0, 1, 5):
        fresh.add_episode(make_episode(seed))
    fresh.save()
    one, other = read_file(tmp_path / name), read_file(fresh.path)
    assert np.array_equal(one.ends, other.ends)
    for column, array in other.steps.items():
        assert np.array_equal(one.steps[column], array), column
    for _ in range(3):
        writer.drop_last()
    assert len(read_file(tmp_path / name).ends) == writer.num_rows == 0
    with pytest.raises(DataError, match="no episodes; expected one to take back"):
        writer.drop_last()


@pytest.mark.parametrize("name", ["a.npz", "a.muse"])
def test_what_waits_is_forgotten_and_what_is_written_is_not(tmp_path, name):
    writer = EpisodeWriter(tmp_path / name, SPEC)
    writer.add_episode(make_episode(0))
    writer.save()
    writer.add_episode(make_episode(1))
    writer.forget_waiting()
    assert (writer.num_episodes, writer.num_rows) == (1, len(make_episode(0)))
    writer.add_episode(make_episode(2))
    writer.save()
    assert read_file(tmp_path / name).ends.tolist() == [len(make_episode(0)), len(make_episode(0)) + len(make_episode(2))]


def test_nobody_takes_back_an_episode_of_another_writer(tmp_path):
    one, other = (EpisodeWriter(tmp_path / "a.muse", SPEC) for _ in range(2))
    for writer in (one, other):
        writer.add_episode(make_episode(0))
        writer.save()
    other.add_episode(make_episode(1))
    other.save()
    with pytest.raises(DataError, match="2 episodes; expected the 1 written so far"):
        one.drop_last()
    one.add_episode(make_episode(2))
    one.meta["count"] = 3
    with pytest.raises(DataError, match="2 episodes; expected the 1 written so far"):
        one.drop_last()
    assert one.meta["count"] == 3, "what it is to say is not lost with the error"
