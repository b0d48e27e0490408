"""`muse eval_video`, on a small experiment and on recipes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from attrdict import AttrDict

from muse.cli.main import main
from muse.datasets.loading import read_file
from muse.datasets.np_dataset import NpDataset
from muse.envs.env import make
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.specs import EnvSpec
from muse.utils.video import read_video

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "cfgs/exp_point_mass/bc_rnn.py"
EXPERT = f"{RECIPE} %policy cfgs/policy/point_mass_expert.py"
SHORT = "%env_train --num_steps 40"


def run(line: str) -> int:
    return main(line.split())


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """The folder of a trained experiment, in a current folder of its own."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("eval_video"))
    assert run(f"collect --max_eps 12 --save_file data/point_mass/scripted_200.npz {EXPERT}") == 0
    small = "%model %%action_decoder --hidden_size 16 %trainer --save_every_n_steps 4 --rollout_train_env_every_n_steps 0"
    assert run(f"goal_train --no_wandb {RECIPE} {small} --max_steps 4") == 0
    (config,) = Path.cwd().glob("experiments/**/config.py")
    yield config.parent.relative_to(Path.cwd())
    os.chdir(before)


def results_of(experiment):
    """Returns the records and the summary of every evaluation in the folder, the oldest first."""
    return [
        ((folder / "episodes.jsonl").read_bytes(), json.loads((folder / "summary.json").read_text()))
        for folder in sorted((experiment / "eval").iterdir(), key=lambda folder: folder.stat().st_mtime_ns)
    ]


def test_it_finds_what_eval_finds_and_says_where_the_video_is(experiment, capsys):
    words = f"--max_eps 5 --seed 7 --track_returns exp={experiment} {SHORT}"
    assert run(f"eval {words}") == 0
    plain = capsys.readouterr().out.splitlines()
    assert run(f"eval_video --num_envs 3 {words}") == 0
    shown = capsys.readouterr().out.splitlines()
    (records, summary), (again, summary_again) = results_of(experiment)[-2:]
    assert records == again and summary == summary_again
    video = experiment / "videos" / "{}.mp4".format(Path(summary["checkpoint"]).stem)
    assert video.is_file() and shown[-1].split() == ["video", str(video)]
    same = ("checkpoint", "success", "returns", "length")
    assert [line for line in shown if line.split()[0] in same] == [line for line in plain if line.split()[0] in same]
    frames = list(read_video(video))
    longest = max(json.loads(line)["length"] for line in again.splitlines())
    assert len(frames) == longest + 1 + 20 and frames[0].shape == (2 * 424 + 4, 3 * 400 + 8, 3)


def test_a_video_and_a_dataset_in_one_evaluation(experiment, capsys):
    words = f"--max_eps 4 --tile 2 --image_key image exp={experiment} {SHORT} --imgs"
    assert run(f"eval_video --save_file seen.mp4 --save_file data/seen.muse --save_file data/seen.npz {words}") == 0
    shown = capsys.readouterr().out
    assert "video" in shown and shown.count("dataset") == 2 and "95% interval" in shown
    records = [json.loads(line) for line in results_of(experiment)[-1][0].splitlines()]
    data, other = read_file("data/seen.muse"), read_file("data/seen.npz")
    assert np.diff(data.ends, prepend=0).tolist() == [record["length"] for record in records]
    assert data.onetime["final/success"][:, 0].tolist() == [record["success"] for record in records]
    assert set(data.steps) == {"image"} and np.array_equal(data.steps["image"], other.steps["image"])
    assert data.meta == other.meta and data.meta["evaluation"]["seed"] == 0
    assert data.meta["evaluation"]["checkpoint"].endswith("model.pt")
    assert data.meta["fingerprint"]["class"].endswith("PointMassEnv")
    env = make(PointMassEnv, AttrDict(num_obstacles=3, imgs=True))
    for record, first in zip(records, data.ends - np.diff(data.ends, prepend=0), strict=True):
        assert np.array_equal(env.reset(seed=record["seed"])[0]["image"][0], data.steps["image"][first])
    frames = list(read_video("seen.mp4"))
    assert frames[0].shape == (24 + 256, 256 + 4 + 256, 3)
    assert len(frames) == sum(max(record["length"] for record in pair) + 1 + 20 for pair in (records[:2], records[2:]))
    shrunk = frames[0][24:, :256].astype(float).reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - data.steps["image"][0]).mean() < 4
    dataset = NpDataset(AttrDict(file="data/seen.muse", horizon=2, batch_size=3), EnvSpec.from_dict(data.meta["spec"]))
    assert dataset.get_batch(np.arange(3))[0]["image"].shape == (3, 2, 64, 64, 3)


@pytest.mark.parametrize("ending", ["npz", "muse"])
def test_the_verbs_of_data_read_what_was_written(experiment, ending, capsys):
    file = f"pictures.{ending}"
    assert run(f"eval_video --max_eps 3 --save_file {file} {EXPERT} {SHORT} --imgs") == 0
    assert run(f"data check {file}") == 0
    assert run(f"data info {file}") == 0
    shown = capsys.readouterr().out
    assert "image" in shown and "'final/success'" in shown and "3 episodes" in shown
    assert run(f"data video {file} --episode 0 2 --out {ending}.mp4") == 0
    lengths = np.diff(read_file(file).ends, prepend=0)
    assert len(list(read_video(f"{ending}.mp4"))) == lengths[0] + lengths[2]


def test_without_pictures_observed_a_dataset_holds_the_rendered_ones(experiment):
    assert run(f"eval_video --max_eps 2 --seed 3 --save_file rendered.muse {EXPERT} %env_train --num_steps 5") == 0
    data = read_file("rendered.muse")
    assert data.steps["image"].shape == (10, 400, 400, 3) and data.ends.tolist() == [5, 10]
    assert not data.onetime["final/success"].any()


def test_raw_frames_are_those_of_the_env(experiment):
    words = f"--max_eps 1 --image_key image {EXPERT} {SHORT} --imgs"
    assert run(f"eval_video --raw --fps 5 --save_file raw.mp4 --save_file raw.npz {words}") == 0
    frames, pictures = list(read_video("raw.mp4")), read_file("raw.npz").steps["image"]
    assert frames[0].shape == (64, 64, 3) and len(frames) == len(pictures) + 1 + 5
    assert max(np.abs(frame - picture.astype(float)).mean() for frame, picture in zip(frames, pictures, strict=False)) < 4


def test_a_random_policy_has_a_video_of_its_own(experiment, capsys):
    assert run(f"eval_video --max_eps 1 --random_policy exp={experiment} %env_train --num_steps 3") == 0
    assert (experiment / "videos" / "RandomPolicy.mp4").is_file()
    assert "results" not in capsys.readouterr().out


def test_nothing_is_overwritten_by_accident(experiment, capsys):
    Path("kept.mp4").write_text("a video")
    words = f"--max_eps 1 --save_file kept.mp4 {EXPERT} %env_train --num_steps 3"
    assert run(f"eval_video {words}") == 1
    told = "error: kept.mp4: is there already; expected a new name\n  try: --overwrite to replace it\n"
    assert capsys.readouterr().err == told and Path("kept.mp4").read_text() == "a video"
    assert run(f"eval_video --overwrite {words}") == 0
    assert len(list(read_video("kept.mp4"))) == 3 + 1 + 20


BLIND = """
from attrdict import AttrDict as d

from cfgs.exp_point_mass import bc_rnn
from muse.envs.simple.point_mass_env import PointMassEnv

class Blind(PointMassEnv):
    def render(self):
        return None

    def step(self, action):
        raise AssertionError("an episode is played")

export = bc_rnn.export & d(env_train=d(cls=Blind))
"""
BLIND_EXPERT = "blind.py %policy cfgs/policy/point_mass_expert.py"


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (
            f"--save_file a.avi {BLIND_EXPERT}",
            2,
            "--save_file a.avi: a name that ends in '.avi'; expected a video (.mp4) or a dataset",
        ),
        (f"--save_file new/a.mp4 --save_file new/../new/a.mp4 {BLIND_EXPERT}", 2, "new/../new/a.mp4: given twice"),
        (f"--save_file blind.py/a.mp4 {BLIND_EXPERT}", 1, "blind.py/a.mp4: cannot be written (Not a directory)"),
        (f"--save_file new/a.muse --save_file blind.py/b/a.npz {BLIND_EXPERT}", 1, "blind.py/b/a.npz: cannot be written"),
        (f"--save_file folder.mp4 --overwrite {BLIND_EXPERT}", 1, "folder.mp4: a folder; expected a file, or nothing yet"),
        (f"--save_file new/a.mp4 --fps 0 {BLIND_EXPERT}", 1, "new/a.mp4: fps: 0.0; expected from 0.01 to 1000 frames"),
        (f"--save_file new/a.mp4 --fps inf {BLIND_EXPERT}", 1, "new/a.mp4: fps: inf; expected from 0.01 to 1000 frames"),
        (f"--save_file new/a.mp4 {BLIND_EXPERT}", 1, "new/a.mp4: the env has no picture; expected an env whose render()"),
        (f"--save_file new/a.npz {BLIND_EXPERT}", 1, "the env has no picture; expected an env whose render()"),
        (f"--save_file new/a.mp4 {BLIND_EXPERT} %env_train --imgs", 1, "try: an observation with pictures (--image_key image)"),
        (
            f"--save_file new/a.mp4 --image_key imag {BLIND_EXPERT} %env_train --imgs",
            1,
            "'imag': no observation (did you mean 'image'?)",
        ),
        (
            f"--save_file new/a.mp4 --image_key image --image_key image {BLIND_EXPERT} %env_train --imgs",
            1,
            "'image': given twice; expected each picture once",
        ),
        (f"--save_file new/a.muse --image_key ego {BLIND_EXPERT}", 1, "'ego': shape (2,) float32, no picture"),
        (f"{BLIND_EXPERT}", 2, "--save_file: missing, and a recipe has no folder"),
    ],
)
def test_what_cannot_be_done_is_said_before_an_episode_is_played(experiment, words, status, told, capsys):
    Path("blind.py").write_text(BLIND)
    Path("folder.mp4").mkdir(exist_ok=True)
    assert run(f"eval_video {words}") == status
    assert told in capsys.readouterr().err
    assert not Path("new").exists()


def test_an_interrupt_leaves_what_was_seen(experiment, tmp_path):
    code = (
        "from muse.cli.main import main; from muse.envs.simple.point_mass_env import PointMassEnv as E; old, n = E.reset, [0]\n"
        "def reset(self, *a, **k):\n    n[0] += 1\n    if n[0] > 3: raise KeyboardInterrupt\n    return old(self, *a, **k)\n"
        "E.reset = reset\n"
        f"raise SystemExit(main('eval_video --num_envs 1 --save_file {tmp_path}/a.mp4 --save_file {tmp_path}/a.muse {EXPERT} "
        "%env_train --num_steps 4 --imgs'.split()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130 and "interrupted" in done.stderr
    assert read_file(tmp_path / "a.muse").ends.tolist() == [4, 8, 12]
    assert len(list(read_video(tmp_path / "a.mp4"))) == 4 + 1 + 20
