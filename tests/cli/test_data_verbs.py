"""`muse data <verb>`: what people type, what they see, and the exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from muse.cli.data.main import VERBS
from muse.cli.main import main
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.loading import read_file, write_file
from muse.specs import EnvSpec

ROOT = Path(__file__).resolve().parents[2]
SPEC = EnvSpec(
    {
        "names_shapes_limits_dtypes": [
            ("ego", (2,), (-10, 10), np.float32, "m"), ("action", (2,), (-1, 1), np.float32), ("reward", (1,), (0, 1), np.float32),
            ("image", (8, 8, 3), (0, 255), np.uint8), ("param/size", (), (0, 1), np.float64),
        ],
        "observation_names": ["ego", "image"], "action_names": ["action"], "output_observation_names": ["reward"], "param_names": ["param/size"],
    }
)  # fmt: skip


def make_data(lengths=(4, 6, 5), seed=0):
    rng, ends, rows = np.random.default_rng(seed), np.cumsum(lengths), sum(lengths)
    reward = np.zeros((rows, 1), np.float32)
    reward[ends[::2] - 1] = 1
    steps = {
        "ego": rng.random((rows, 2)).astype(np.float32), "action": rng.uniform(-0.9, 0.9, (rows, 2)).astype(np.float32), "reward": reward,
        "image": rng.integers(0, 256, (rows, 8, 8, 3)).astype(np.uint8),
    }  # fmt: skip
    meta = {
        "spec": SPEC.to_dict(),
        "fingerprint": {"class": "muse.envs.simple.point_mass_env.PointMassEnv", "params": {"noise_std": 0.0}},
    }
    return EpisodeData(steps, {"param/size": rng.random(len(lengths))}, ends, meta)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with `a.npz` and `a.muse`, sound, and `bad.npz`, which has NaN in the second episode."""
    monkeypatch.chdir(tmp_path)
    for path in ("a.npz", "a.muse"):
        write_file(path, make_data())
    data = make_data()
    data.steps["ego"][5] = np.nan
    write_file("bad.npz", data)
    return tmp_path


def run(*words):
    return main(["data", *map(str, words)])


def run_process(*words):
    """Runs it as people do, and returns status, output and errors."""
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return done.returncode, done.stdout, done.stderr


def test_check_as_a_process():
    status, shown, errors = run_process("-m", "muse", "data", "check", "a.npz", "bad.npz", "none.npz")
    assert status == 1 and "error" not in errors
    lines = shown.splitlines()
    assert lines[0] == "a.npz: nothing wrong" and lines[1] == "bad.npz: 1 defect" and lines[3] == "none.npz: 1 defect"
    assert "'ego', episode 1 row 1: NaN or infinity: 2 numbers in 1 of 15 rows" in lines[2] and "no such file" in lines[4]


def test_info_as_a_process():
    status, shown, _ = run_process(ROOT / "scripts" / "data.py", "info", "a.muse", "--json")
    told = json.loads(shown)
    assert status == 0 and told["episodes"] == 3 and told["rows"] == 15 and told["lengths"] == {"min": 4, "median": 5.0, "max": 6}
    assert told["success"] == {"episodes": 2, "share": 2 / 3, "told_by": "'reward' of the last row"}
    data, names = make_data(), {name["name"]: name for name in told["names"]}
    assert list(names) == list(SPEC.all_names) and names["param/size"]["onetime"] and not names["ego"]["onetime"]
    stats = names["action"]["statistics"]
    assert np.allclose(stats["mean_by_element"], data.steps["action"].mean(axis=0)) and stats["std"] == pytest.approx(
        data.steps["action"].std()
    )
    assert told["memory_bytes"] == sum(array.nbytes for array in (*data.steps.values(), *data.onetime.values()))
    assert told["disk_bytes"] == sum(file.stat().st_size for file in Path("a.muse").rglob("*") if file.is_file())


def test_info_for_people(capsys):
    assert run("info", "a.npz") == 0 and run("info", "bad.npz") == 0 and run("info", "none.npz") == 1
    shown, errors = capsys.readouterr()
    assert errors.startswith("error: none.npz: no such file")
    for words in (
        ["a.npz:", "3", "episodes,", "15", "steps"], ["lengths", "4", "to", "6,", "median", "5"], ["splits", "none"],
        ["success", "2", "of", "3", "(67%),", "told", "by", "'reward'", "of", "the", "last", "row"],
    ):  # fmt: skip
        assert words in [line.split() for line in shown.splitlines()]
    assert "NaN or infinity in 1 rows: see muse data check" in shown


def test_strict_counts_warnings(capsys):
    data = make_data()
    data.steps["action"][0] = 1.5
    write_file("wild.npz", data)
    assert run("check", "wild.npz") == 0 and run("check", "wild.npz", "--strict") == 1 and run("check", "a.npz", "--strict") == 0
    assert "warning  'action', episode 0 row 0: beyond the limits in 1 of 15 rows" in capsys.readouterr().out
    assert run("check", "wild.npz", "bad.npz", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [(one["file"], one["name"], one["episode"], one["row"], one["is_defect"]) for one in found] == [
        ("wild.npz", "action", 0, 0, False), ("bad.npz", "ego", 1, 1, True),
    ]  # fmt: skip


def test_filter(capsys):
    assert run("filter", "a.npz", "b.muse", "--where", "success and length < 5") == 0
    assert capsys.readouterr().out == "a.npz -> b.muse: 1 of 3 episodes\n" and read_file("b.muse").ends.tolist() == [4]
    assert run("filter", "a.npz", "b.muse", "--where", "success") == 1 and "b.muse: is there already" in capsys.readouterr().err
    assert run("filter", "a.npz", "b.muse", "--where", "success", "--overwrite") == 0 and len(read_file("b.muse").ends) == 2
    assert run("filter", "bad.npz", "c.npz", "--where", "all(finite(ego))") == 0 and len(read_file("c.npz").ends) == 2
    capsys.readouterr()
    assert run("filter", "a.npz", "d.npz", "--where", "success and lenght < 5") == 2
    told = capsys.readouterr().err.splitlines()
    assert (
        "column 13: no name 'lenght' (did you mean 'length'?)" in told[0]
        and told[-1] == " " * 14 + "^"
        and not Path("d.npz").exists()
    )
    assert told[-2] == "  success and lenght < 5"


def test_split(capsys):
    assert (
        run("split", "a.npz", "--holdout", "0.3", "--seed", "1") == 0
        and run("split", "a.muse", "--name", "train=0:2", "holdout=2") == 0
    )
    assert capsys.readouterr().out.splitlines() == [
        "a.npz: train 2, holdout 1 of 3 episodes",
        "a.muse: train 2, holdout 1 of 3 episodes",
    ]
    assert (
        read_file("a.muse").meta["splits"] == {"train": [0, 1], "holdout": [2]}
        and len(read_file("a.npz").meta["splits"]["train"]) == 2
    )
    assert run("split", "a.npz", "--name", "train=0:9") == 2 and run("split", "a.npz", "--name", "train") == 2
    assert run("split", "a.npz", "--holdout", "0.3") == 1
    assert "split 'holdout': is there already" in capsys.readouterr().err


def test_merge(capsys):
    assert run("merge", "a.npz", "a.muse", "b.npz") == 0
    assert capsys.readouterr().out == "a.npz + a.muse -> b.npz: 6 episodes, 30 steps\n" and len(read_file("b.npz").ends) == 6
    other = make_data(seed=1)
    other.meta["fingerprint"]["params"]["noise_std"] = 0.5
    write_file("noisy.npz", other)
    assert run("merge", "a.npz", "noisy.npz", "c.npz") == 1 and "noise_std 0.5, now 0.0" in capsys.readouterr().err
    assert (
        run("merge", "a.npz", "noisy.npz", "c.npz", "--allow_mismatch") == 0 and len(read_file("c.npz").meta["fingerprints"]) == 2
    )


def test_relabel(capsys):
    words = (
        "--set",
        "reward=-norm(ego)",
        "late=step > 2",
        "--drop",
        "image",
        "--rename",
        "ego=robot/ego",
        "--unit",
        "robot/ego=mm",
    )
    assert (
        run(
            "relabel",
            "a.npz",
            "b.npz",
            *words,
            "--limits",
            "robot/ego=0:1",
            "--role",
            "late=observation",
            "--dtype",
            "late=float32",
        )
        == 0
    )
    data = read_file("b.npz")
    spec = EnvSpec.from_dict(data.meta["spec"])
    assert (
        set(data.steps) == {"robot/ego", "action", "reward", "late"}
        and spec.leaf("robot/ego").unit == "mm"
        and spec.leaf("robot/ego").high[0] == 1
    )
    assert data.steps["late"].dtype == np.float32 and spec.observation_names == ("robot/ego", "late")
    assert "robot/ego   (2,) float32  mm  observation" in capsys.readouterr().out
    for words in (
        ("--set", "reward"),
        ("--limits", "ego=1"),
        ("--limits", "ego=2:1"),
        ("--dtype", "ego=object"),
        ("--role", "ego=king"),
        (),
    ):
        assert run("relabel", "a.npz", "c.npz", *words) != 0 and not Path("c.npz").exists()


def test_pictures(capsys):
    assert run("plot", "a.muse", "--episode", "1") == 0
    made = sorted(path.name for path in Path("a_plots").iterdir())
    assert made == ["coverage.png", "episode_1.png", "histograms.png", "lengths.png"]
    assert run("plot", "a.npz", "--out", "one.png") == 0 and Path("one.png").is_file()
    assert run("plot", "a.npz", "--out", "one.png") == 1 and run("plot", "a.npz", "--episode", "9", "--out", "two.png") == 1
    assert run("video", "a.muse", "--out", "a.mp4", "--episode", "0", "1") == 0 and Path("a.mp4").is_file()
    assert capsys.readouterr().out.splitlines()[-1] == "a.muse -> a.mp4: 10 frames of 2 episodes"
    assert run("video", "a.muse", "--out", "a.mp4") == 1 and run("video", "a.muse", "--out", "a.mp4", "--overwrite") == 0
    capsys.readouterr()
    assert run("video", "a.muse", "--out", "a.mp4/b.mp4") == 1
    told = "error: a.mp4/b.mp4: cannot be written (Not a directory); expected a folder that may be written to\n"
    assert capsys.readouterr().err == told


def test_a_picture_is_of_one_episode_and_a_png(capsys):
    for words in (("--out", "a.png", "--episode", "0", "1"), ("--out", "a.pdf")):
        assert run("plot", "a.npz", *words) == 2
        assert "expected a folder, or a .png for one episode alone" in capsys.readouterr().err
    assert not list(Path().glob("*.p[dn]*"))


def test_nothing_is_left_and_nothing_is_there(capsys):
    assert run("relabel", "a.npz", "b.npz", "--drop", "ego", "action", "reward", "image", "param/size") == 2
    assert capsys.readouterr().err.startswith("error: --drop: every name there is") and not Path("b.npz").exists()
    assert run("info", "typo") == 1
    assert capsys.readouterr().err.startswith("error: typo: no such file or folder; expected a dataset")


def test_replay_is_that_of_muse_replay(capsys):
    # Made up, so the environment does not lead where it led, and says so.
    assert run("replay", "a.npz", "--num_envs", "1") == 1
    assert "cannot begin episode 0 again" in capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as end:
        run(verb, "--help")
    shown = capsys.readouterr().out
    assert end.value.code == 0 and "Example" in shown and ("muse data " + verb in shown or verb == "replay")
    assert all(len(line) <= 140 for line in shown.splitlines())


def test_verbs_that_are_not_there(capsys):
    assert run() == 0 and all(f"  {verb} " in capsys_out for capsys_out in [capsys.readouterr().out] for verb in VERBS)
    assert run("chekc") == 2 and "did you mean 'check'" in capsys.readouterr().err
