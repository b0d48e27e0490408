"""`muse convert`, there and back, and what it says when it cannot."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from muse.cli.main import main
from muse.datasets.loading import read_file

h5py = pytest.importorskip("h5py")
ROOT = Path(__file__).resolve().parents[2]
LENGTHS = [3, 5, 2]


def run(*words):
    return main([str(word) for word in words])


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder as the current one, with three demonstrations in `demos.hdf5`."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    with h5py.File("demos.hdf5", "w") as file:
        for number, length in enumerate(LENGTHS):
            demo = file.create_group(f"data/demo_{number}")
            demo.attrs["num_samples"], demo.attrs["model_file"] = length, "<mujoco/>"
            demo["actions"], demo["states"] = rng.uniform(-1, 1, (length, 7)), rng.random((length, 4))
            demo["rewards"], demo["dones"] = rng.random(length), np.zeros(length, np.int64)
            demo["obs/object"] = rng.random((length, 14))
            demo["obs/agentview_image"] = rng.integers(0, 256, (length, 4, 4, 3)).astype(np.uint8)
        file["data"].attrs["env_args"] = json.dumps({"env_name": "NutAssemblySquare", "type": 1, "env_kwargs": {}})
        file["data"].attrs["total"] = sum(LENGTHS)
        file["mask/train"] = np.array(["demo_0", "demo_2"], "S")
    return tmp_path


@pytest.mark.parametrize("name", ["data/a.npz", "data/a.muse"])
def test_there_and_back(name, capsys):
    assert run("convert", "demos.hdf5", name) == 0
    shown, progress = capsys.readouterr()
    assert shown.splitlines()[0] == f"demos.hdf5 -> {name}: 3 episodes" and "3/3 episodes" in progress
    rows = [line.split() for line in shown.splitlines()[1:]]
    assert ["obs/agentview_image", "->", "image", "(10,", "4,", "4,", "3)", "uint8"] in rows
    assert ["data@total", "left", "out", "counted", "again"] in rows
    assert run("convert", name, "back.hdf5") == 0
    assert run("convert", "back.hdf5", "again.npz") == 0
    one, two = read_file(name), read_file("again.npz")
    assert one.meta == two.meta and set(one.steps) == set(two.steps)
    assert all(np.array_equal(array, two.steps[name]) for name, array in one.steps.items())
    assert sorted(path.name for path in Path("data").iterdir()) == [Path(name).name]


def test_masks_names_and_prefixes(capsys):
    words = ("--mask", "train", "--map", "obs/object=things", "--map", "states=")
    assert run("convert", "demos.hdf5", "a.npz", *words) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["states", "left", "out", "as", "told"] in rows and [
        "mask/train",
        "->",
        "split",
        "train",
        "2",
        "of",
        "2",
        "episodes",
    ] in rows
    data = read_file("a.npz")
    assert data.ends.tolist() == [3, 5] and "things" in data.steps and not {"object", "states"} & set(data.steps)
    assert run("convert", "a.npz", "b.hdf5", "--map", "things=obs/stuff") == 0
    with h5py.File("b.hdf5") as file:
        assert list(file["data"]) == ["demo_0", "demo_2"] and "stuff" in file["data/demo_0/obs"]
    with h5py.File("b.hdf5", "a") as file:
        file.move("data/demo_0", "data/episode_4")
        del file["mask"]
    assert run("convert", "b.hdf5", "c.npz", "--ep_prefix", "episode_") == 0
    assert read_file("c.npz").ends.tolist() == [3] and "data/demo_2" in capsys.readouterr().out


def test_an_existing_file_stays_unless_told_otherwise(capsys):
    Path("a.npz").write_text("mine")
    assert run("convert", "demos.hdf5", "a.npz") == 1
    assert Path("a.npz").read_text() == "mine" and "--overwrite to replace it" in capsys.readouterr().err
    assert run("convert", "demos.hdf5", "a.npz", "--overwrite") == 0
    assert read_file("a.npz").num_rows == 10


def test_mistakes_are_messages_and_a_status(capsys):
    Path("text.hdf5").write_text("text" * 300)
    Path("cut.hdf5").write_bytes(Path("demos.hdf5").read_bytes()[:5000])
    told = []
    for status, *words in (
        (1, "text.hdf5", "a.npz"),
        (1, "cut.hdf5", "a.npz"),
        (1, "none.hdf5", "a.muse"),
        (1, "demos.hdf5", "a.zip"),
        (1, "demos.hdf5", "a"),
        (2, "demos.hdf5", "demos.hdf5", "--overwrite"),
        (1, "a.npz", "a.muse"),
        (2, "demos.hdf5", ".", "--to", "episodes", "--overwrite"),
        (2, "demos.hdf5", "a.npz", "--compressor", "zstd"),
        (2, "demos.hdf5", "a.npz", "--map", "states"),
        (2, "demos.hdf5", "a.npz", "--map", "states=a", "--map", "states=b"),
        (2, "demos.hdf5", "a.npz", "--map", "state=a"),
        (1, "demos.hdf5", "a.npz", "--mask", "valid"),
    ):
        assert run("convert", *words) == status, words
        told.append(capsys.readouterr().err.splitlines()[0].partition(" (")[0])
    assert told == [
        "error: text.hdf5: no HDF5 file",
        "error: cut.hdf5: cut short",
        "error: none.hdf5: no such file or folder; expected a dataset",
        "error: a.zip: a name that ends in '.zip'; expected one that ends in .npz, .muse, .hdf5, .h5, .zarr, .zarr.zip",
        "error: a: a name without an ending; expected one that ends in .npz, .muse, .hdf5, .h5, .zarr, .zarr.zip",
        "error: demos.hdf5: source and destination at once; expected two places",
        "error: a.npz: no such file or folder; expected a dataset",
        "error: .: holds the source demos.hdf5, which would be replaced with it; expected two places",
        "error: --compressor: an option of zarr, which neither demos.hdf5",
        "error: --map states: no SRC=DST; expected a name of the source, =, its name in the destination",
        "error: --map states=b: 'states' twice; expected each name once",
        "error: demos.hdf5: 'state': no such name to map",
        "error: demos.hdf5: mask 'valid': not there; expected one of train",
    ]
    assert sorted(path.name for path in Path().iterdir()) == ["cut.hdf5", "demos.hdf5", "text.hdf5"]


def test_from_form_to_form(capsys):
    pytest.importorskip("zarr")
    assert run("convert", "demos.hdf5", "a.zarr", "--mask", "train", "--map", "obs/object=data/things", "--map", "states=") == 0
    shown, progress = capsys.readouterr()
    rows = [" ".join(line.split()) for line in shown.splitlines()]
    assert rows[0] == "demos.hdf5 -> a.zarr: 2 episodes" and "read demos.hdf5 2/2" in " ".join(progress.split())
    assert (
        "obs/object -> data/things (5, 14) float32, was float64; by way of 'object'" in rows and "states left out as told" in rows
    )
    assert "obs/agentview_image -> data/img (5, 4, 4, 3) uint8; by way of 'image'" in rows and "write a.zarr 2/2" in " ".join(
        progress.split()
    )
    assert run("convert", "a.zarr", "a-v0", "--to", "minari", "--dataset_id", "ns/a-v3") == 0
    assert json.loads(Path("a-v0/data/metadata.json").read_text())["dataset_id"] == "ns/a-v3"
    assert run("convert", "a-v0", "eps", "--to", "episodes") == 0 and run("convert", "eps", "b.npz") == 0
    assert run("convert", "b.npz", "b.muse") == 0 and run("convert", "b.muse", "c.hdf5", "--ep_prefix", "demo_") == 0
    data, first = read_file("b.muse"), h5py.File("c.hdf5")["data/demo_0"]
    assert data.meta["splits"] == {"train": [0, 1]} and np.array_equal(first["obs/object"], data.steps["object"][:3])
    with h5py.File("demos.hdf5") as file:
        assert np.array_equal(first["obs/agentview_image"], file["data/demo_0/obs/agentview_image"])
        assert first.attrs["model_file"] == "<mujoco/>"
    assert run("convert", "a.zarr", "d.npz", "--map", "data/thing=x") == 2
    assert "'data/thing': no such name to map (did you mean 'data/things'?)" in capsys.readouterr().err


def test_the_help_names_every_form_and_option(capsys):
    with pytest.raises(SystemExit):
        run("convert", "--help")
    shown = capsys.readouterr().out
    for words in (
        "robomimic",
        "diffusion_policy",
        "Minari",
        "--to FORM",
        "--ep_prefix TEXT",
        "--compressor",
        "options of minari:",
        "--dataset_id",
    ):
        assert words in shown


@pytest.mark.parametrize("script", ["convert", "conversion/robomimic_to_npz", "conversion/npz_to_robomimic"])
def test_the_scripts(script):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / f"{script}.py", "--help"], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0 and "--ep_prefix" in done.stdout and "convert" in done.stdout and "--map SRC=DST" in done.stdout


def test_no_folder_is_deleted_that_is_not_a_dataset(capsys):
    """A mistyped destination costs a message, not what lies there."""
    Path("work/deep").mkdir(parents=True)
    Path("work/deep/thesis.tex").write_text("text")
    Path("work/other.npz").write_text("another dataset")
    assert run("convert", "demos.hdf5", "work", "--to", "episodes", "--overwrite") == 2
    assert "error: work: a folder of something else than a dataset; expected a dataset to replace" in capsys.readouterr().err
    assert Path("work/deep/thesis.tex").read_text() == "text" and Path("work/other.npz").exists()
    # An empty one is taken, and so is what Muse wrote; but not with something else in it.
    Path("empty").mkdir()
    for _ in range(2):
        assert run("convert", "demos.hdf5", "empty", "--to", "episodes", "--overwrite") == 0
    Path("empty/notes.txt").write_text("of mine")
    assert run("convert", "demos.hdf5", "empty", "--to", "episodes", "--overwrite") == 2
    assert Path("empty/notes.txt").exists()


def test_source_and_destination_lie_apart(capsys):
    assert run("convert", "demos.hdf5", "a.muse") == 0
    assert run("convert", "a.muse", "a.muse/b.npz") == 2
    assert "a.muse/b.npz: inside of the source a.muse" in capsys.readouterr().err
    assert run("data", "filter", "a.muse", "a.muse/b.muse", "--where", "index == 0") == 1
    assert "a.muse/b.muse: inside of the source a.muse" in capsys.readouterr().err
    Path("a.npz").rename("a.muse/in.npz") if Path("a.npz").exists() else run("convert", "demos.hdf5", "a.muse/in.npz")
    assert run("data", "filter", "a.muse/in.npz", "a.muse", "--where", "index == 0", "--overwrite") == 1
    assert "a.muse: holds the source a.muse/in.npz" in capsys.readouterr().err
    assert len(read_file("a.muse/in.npz").ends) == len(read_file("a.muse").ends) == 3
