"""`muse collect`: what is in its files, and that they grow, are killed and go on without a difference."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from attrdict import AttrDict

import muse
from muse.cli import collect
from muse.cli.main import main
from muse.datasets.episode_writer import EpisodeWriter
from muse.datasets.loading import read_file, write_file
from muse.datasets.np_dataset import NpDataset
from muse.specs import EnvSpec

RECIPE = "cfgs/exp_point_mass/bc_rnn.py %policy cfgs/policy/point_mass_expert.py %env_train --num_steps 30"


def run(line):
    return main(f"collect {line} {RECIPE}".split())


def assert_same(one, other):
    assert np.array_equal(one.ends, other.ends) and one.meta == other.meta
    for kind in ("steps", "onetime"):
        ours, theirs = getattr(one, kind), getattr(other, kind)
        assert ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    before, folder = Path.cwd(), tmp_path_factory.mktemp("collect")
    os.chdir(folder)
    assert run("--max_eps 12 --save_file all.npz") == 0
    assert run("--max_eps 8 --only_successful --save_file good.npz") == 0
    yield folder
    os.chdir(before)


@pytest.fixture()
def small_parts(monkeypatch):
    """Folders grow with every episode."""
    monkeypatch.setattr(collect, "EpisodeWriter", partial(EpisodeWriter, part_bytes=1))


def test_data_says_who_succeeded(place, capsys):
    data = read_file("all.npz")
    assert data.onetime["final/success"][:, 0].tolist() == (data.steps["reward"][data.ends - 1, 0] == 1).tolist()
    solved = int(data.onetime["final/success"].sum())
    assert 0 < solved < 12 and list(data.onetime)[-1] == "final/success"
    assert main(["data", "info", "all.npz"]) == 0
    assert f"{solved} of 12 ({solved / 12:.0%}), told by 'final/success'" in capsys.readouterr().out
    assert main(["data", "check", "all.npz", "--strict"]) == 0
    assert read_file("good.npz").onetime["final/success"].all()
    assert main(["data", "check", "good.npz", "--strict"]) == 0


@pytest.mark.parametrize("num_envs", [1, 4])
def test_a_folder_that_grows_holds_what_a_file_holds(num_envs, place, small_parts):
    name = f"grown_{num_envs}.muse"
    assert run(f"--max_eps 12 --num_envs {num_envs} --save_file {name}") == 0
    assert_same(read_file("all.npz"), read_file(name))


def test_a_folder_goes_on_without_being_written_anew(place, monkeypatch):
    assert run("--max_eps 5 --save_file more.muse") == 0
    inode = os.stat("more.muse/ego.npy").st_ino
    assert run("--continue --max_eps 12 --save_every_n_episodes 2 --save_file more.muse") == 0
    assert os.stat("more.muse/ego.npy").st_ino == inode
    assert_same(read_file("all.npz"), read_file("more.muse"))
    assert run("--continue --max_eps 12 --save_file more.muse") == 0
    assert_same(read_file("all.npz"), read_file("more.muse"))


KILLED = """
import os, signal, sys
from functools import partial
from muse.cli import collect
from muse.datasets.episode_writer import EpisodeWriter
from muse.rollouts.recorders import DatasetRecorder

def took(self):
    DatasetRecorder.took(self)
    if self.taken == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

collect.EpisodeWriter = partial(EpisodeWriter, part_bytes=1)
collect.DatasetRecorder = type("Killer", (DatasetRecorder,), {"took": took})
collect.main(sys.argv[2:])
"""


@pytest.mark.parametrize("name", ["killed.muse", "killed.npz"])
def test_a_killed_collection_goes_on_as_if_nothing_had_been(name, place):
    line = f"--max_eps 8 --only_successful --num_envs 2 --save_every_n_episodes 4 --save_file {name} {RECIPE}"
    words = [sys.executable, "-c", KILLED, "11", *line.split()]
    env = {**os.environ, "PYTHONPATH": str(Path(muse.__file__).parents[1])}
    assert subprocess.run(words, check=False, timeout=120, env=env, capture_output=True).returncode == -signal.SIGKILL
    wanted, there = read_file("good.npz"), read_file(name)
    collection, kept = there.meta["collection"], wanted.meta["collection"]["kept"]
    # The folder lacks the last episode at most, the archive those since the last save.
    assert collection["episodes_seen"] == (8 if name.endswith("npz") else max(8, kept[sum(place < 11 for place in kept) - 1]))
    assert collection["kept"] == [place for place in kept if place < collection["episodes_seen"]]
    assert 0 < len(there.ends) == len(collection["kept"]) < 8
    assert run(f"--continue --max_eps 8 --only_successful --save_file {name}") == 0
    assert_same(wanted, read_file(name))


def test_failures_alone_are_remembered_too(place, monkeypatch):
    monkeypatch.setattr(collect, "_HOPELESS", 3)
    impossible = "%env_train --num_steps 1"  # One env, so that the third failure ends it.
    assert main(f"collect --max_eps 2 --num_envs 1 --only_successful --save_file none.muse {RECIPE} {impossible}".split()) == 1
    data = read_file("none.muse")
    assert len(data.ends) == 0 and data.meta["collection"]["episodes_seen"] == 3
    assert (
        main(f"collect --continue --max_eps 2 --num_envs 1 --only_successful --save_file none.muse {RECIPE} {impossible}".split())
        == 1
    )
    assert read_file("none.muse").meta["collection"]["episodes_seen"] == 6


def without_success(data):
    leaves = [leaf for leaf in data.meta["spec"]["leaves"] if leaf["name"] != "final/success"]
    onetime = {name: array for name, array in data.onetime.items() if name != "final/success"}
    return type(data)(data.steps, onetime, data.ends, {**data.meta, "spec": {"leaves": leaves}}, data.where)


@pytest.mark.parametrize("name", ["old.npz", "old.muse"])
def test_a_file_that_does_not_say_who_succeeded_goes_on_and_is_read_beside_one_that_does(name, place):
    assert run("--max_eps 5 --overwrite --save_file first.npz") == 0
    write_file(name, without_success(read_file("first.npz")))
    assert run(f"--continue --max_eps 12 --save_file {name}") == 0
    assert_same(without_success(read_file("all.npz")), read_file(name))
    spec = EnvSpec.from_dict(read_file(name).meta["spec"])
    both = NpDataset(AttrDict(file=[name, "all.npz"], horizon=3, batch_size=4), spec)
    assert both.get_num_episodes() == 24 and len(both) > 0


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("all.npz/a.npz", "all.npz/a.npz: cannot be written (Not a directory); expected a folder that may be written to"),
        ("a_folder.npz --overwrite", "a_folder.npz: a folder; expected a file, or nothing yet"),
    ],
)
def test_a_file_that_cannot_be_written_is_said_before_an_episode_is_played(place, file, told, capsys, monkeypatch):
    Path("a_folder.npz").mkdir(exist_ok=True)
    monkeypatch.setattr(collect, "RolloutLoop", lambda *_, **__: pytest.fail("an episode is played"))
    assert run(f"--max_eps 1 --save_file {file}") == 1
    assert capsys.readouterr().err == f"error: {told}\n"


def test_what_would_be_lost_from_a_file_is_refused(place, capsys):
    assert main(["data", "relabel", "all.npz", "relabelled.npz", "--set", "speed=norm(action)"]) == 0
    before = Path("relabelled.npz").read_bytes()
    assert run("--continue --max_eps 15 --save_file relabelled.npz") == 1
    assert "relabelled.npz: 'speed': missing in the episodes to append" in capsys.readouterr().err
    assert Path("relabelled.npz").read_bytes() == before
