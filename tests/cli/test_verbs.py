"""The verbs, one after another as a person uses them, at a small size."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import muse
from muse.cli.main import main
from muse.datasets.formats import npz
from muse.utils.graphics import graphics
from muse.utils.seeding import episode_seeds
from muse.utils.video import read_video

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "cfgs/exp_point_mass/bc_rnn.py"
DATA = "data/point_mass/scripted_200.npz"
EXPERT = ["%policy", "cfgs/policy/point_mass_expert.py"]
SMALL = ["%model", "%%action_decoder", "--hidden_size", "16", "%trainer", "--save_every_n_steps", "4"]
SMALL += [
    "--rollout_train_env_every_n_steps",
    "4",
    "--rollout_train_env_n_per_step",
    "3",
    "--write_to_tensorboard_every_n_train_steps",
    "1",
]


def run(*words: str) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data and a trained experiment, as the current one."""
    before = Path.cwd()
    folder = tmp_path_factory.mktemp("journey")
    os.chdir(folder)
    assert run("collect", "--max_eps", 12, "--save_file", DATA, RECIPE, *EXPERT) == 0
    assert run("goal_train", "--no_wandb", RECIPE, *SMALL, "--max_steps", 8) == 0
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def experiment(place):
    (config,) = place.glob("experiments/**/config.py")
    return config.parent


def test_collected_data_is_what_the_expert_did(place):
    data = npz.read(DATA)
    assert len(data.ends) == 12 and set(data.steps) == {"ego", "target", "objects/position", "action", "reward", "truncated"}
    assert data.meta["fingerprint"]["class"].endswith("PointMassEnv") and data.meta["collection"] == {
        "seed": 0, "only_successful": False, "policy": "PointMassExpert", "episodes_seen": 12, "kept": list(range(12)),
    }  # fmt: skip
    assert (data.steps["reward"][data.ends - 1] == 1).all()


@pytest.mark.parametrize("num_envs", [1, 5])
def test_collecting_does_not_depend_on_the_number_of_envs_or_on_a_stop(place, num_envs):
    name = f"data/again_{num_envs}.npz"
    assert run("collect", "--max_eps", 5, "--num_envs", num_envs, "--save_file", name, RECIPE, *EXPERT) == 0
    assert run("collect", "--continue", "--max_eps", 12, "--num_envs", num_envs, "--save_file", name, RECIPE, *EXPERT) == 0
    one, other = npz.read(DATA), npz.read(name)
    assert np.array_equal(one.ends, other.ends) and all(np.array_equal(one.steps[key], other.steps[key]) for key in one.steps)


def test_data_is_not_overwritten_by_accident(place, capsys):
    assert run("collect", "--max_eps", 5, "--save_file", DATA, RECIPE, *EXPERT) == 1
    assert capsys.readouterr().err == (
        f"error: {DATA}: the file exists; expected a new name\n  try: --continue to add to it, --overwrite to replace it\n"
    )


def test_data_does_not_go_on_in_another_world(place, capsys):
    assert (
        run("collect", "--continue", "--max_eps", 20, "--save_file", DATA, RECIPE, *EXPERT, "%env_train", "--num_steps", 50) == 1
    )
    assert "environment's params" in capsys.readouterr().err
    assert run("collect", "--continue", "--seed", 3, "--max_eps", 20, "--save_file", DATA, RECIPE, *EXPERT) == 2
    assert "seed 0, now 3; expected one way of collecting for one file" in capsys.readouterr().err


def test_collecting_a_number_of_steps(place):
    assert run("collect", "--max_steps", 100, "--save_file", "data/steps.npz", RECIPE, *EXPERT) == 0
    assert 100 <= npz.read("data/steps.npz").num_rows < 200


def test_the_experiment_folder(experiment):
    assert experiment.relative_to(Path.cwd()).as_posix() == "experiments/point_mass/b256_h10_scripted_200_bc-l2-ns_lstm-hs16-ps0"
    files = {path.name for path in experiment.iterdir()}
    assert {
        "config.py",
        "config_args.txt",
        "config_resolved.json",
        "models",
        "log_train.txt",
        "metrics.jsonl",
        "loss.csv",
        "git",
        "environment.txt",
        "plots",
    } <= files
    assert any(name.startswith("events.out.tfevents") for name in files)
    assert {"model.pt", "best_model.pt", "train_state.pt"} <= {path.name for path in (experiment / "models").iterdir()}
    assert {path.name for path in (experiment / "plots").iterdir()} == {"loss.png", "success.png"}
    names = {json.loads(line)["name"] for line in (experiment / "metrics.jsonl").read_text().splitlines()}
    assert {"train/loss", "env_train/returns", "env_train/success"} <= names


def test_a_run_is_not_overwritten_by_accident(place, capsys):
    assert run("goal_train", "--no_wandb", RECIPE, *SMALL, "--max_steps", 8) == 1
    assert "this experiment exists" in capsys.readouterr().err


def test_a_mistake_in_a_recipe_costs_no_experiment(experiment, capsys):
    before = sorted(experiment.rglob("*"))
    small = [*SMALL, "--max_steps", 8, "%dataset_train", "--file", "data/none.npz"]
    assert run("goal_train", "--no_wandb", "--overwrite", RECIPE, *small) == 1
    assert run("goal_train", "--no_wandb", RECIPE, "--extra_exp_name", "_bad", *small) == 1
    assert capsys.readouterr().err.count("data/none.npz: no such file") == 2
    assert sorted(experiment.rglob("*")) == before and not list(Path("experiments/point_mass").glob("*_bad_*"))


def test_continue_goes_on_as_if_nothing_had_happened(experiment):
    again = ["--extra_exp_name", "_again", *SMALL, "--max_steps"]
    whole = ["--extra_exp_name", "_whole", *SMALL, "--max_steps"]
    assert run("goal_train", "--no_wandb", RECIPE, *again, 5) == 0
    assert run("goal_train", "--no_wandb", "--continue", RECIPE, *again, 12) == 0
    assert run("goal_train", "--no_wandb", "--continue", RECIPE, *whole, 12) == 0
    weights, losses = [], []
    for word in ("again", "whole"):
        (folder,) = Path("experiments/point_mass").glob(f"*_{word}_*")
        weights.append(torch.load(folder / "models" / "model.pt", weights_only=True)["weights"])
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        losses.append(
            [
                (row["step"], row["name"], row["value"])
                for row in rows
                if row["name"].startswith(("train/loss", "holdout/", "env_train/success"))
            ]
        )
    assert weights[0].keys() == weights[1].keys() and all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert losses[0] == losses[1] and len(losses[0]) > 12


def test_options_that_a_run_cannot_go_on_with_leave_its_folder_alone(experiment, capsys):
    names = ("config.py", "config_args.txt", "config_resolved.json")
    before = [(experiment / name).read_text() for name in names]
    for wrong in (["--seed", 3], ["%model", "%%action_decoder", "--hidden_size", 8]):
        assert run("goal_train", "--no_wandb", "--continue", f"exp={experiment}", *wrong) == 1
    assert "the state of a run with seed 0" in capsys.readouterr().err
    assert [(experiment / name).read_text() for name in names] == before


def test_a_file_that_cannot_be_written_is_said_without_a_traceback(experiment, capsys):
    Path("taken").write_text("a file")
    assert run("eval", "--max_eps", 1, "--save_dir", "taken", f"exp={experiment}") == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: taken: File exists"
    long = "x" * 300
    assert run("goal_train", "--no_wandb", RECIPE, "--exp_name", long, *SMALL) == 1
    assert "File name too long" in capsys.readouterr().err


def test_evaluation_writes_what_it_found(experiment, capsys):
    assert run("eval", "--max_eps", 4, "--track_returns", "--video", "out.mp4", "--video_eps", 2, f"--exp={experiment}") == 0
    shown = capsys.readouterr().out
    assert "success" in shown and "returns" in shown and "95% interval" in shown
    (summary,) = experiment.glob("eval/*/summary.json")
    values = json.loads(summary.read_text())
    assert {"success_rate", "success_low", "success_high", "episodes", "checkpoint", "seed"} <= set(values)
    assert values["episodes"] == 4 and values["checkpoint"].endswith("best_model.pt")
    assert len((summary.parent / "episodes.jsonl").read_text().splitlines()) == 4
    assert Path("out.mp4").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("kept.mp4", "kept.mp4: is there already; expected a new name\n  try: --overwrite to replace it"),
        ("folder.mp4 --overwrite", "folder.mp4: a folder; expected a file, or nothing yet"),
        ("kept.mp4/a.mp4", "kept.mp4/a.mp4: cannot be written (Not a directory); expected a folder that may be written to"),
        ("new/a.avi", "new/a.avi: ends in '.avi'; expected a name that ends in '.mp4'"),
    ],
)
def test_a_video_that_cannot_be_written_is_said_before_an_episode_is_played(experiment, words, told, capsys, monkeypatch):
    Path("kept.mp4").write_text("a video")
    Path("folder.mp4").mkdir(exist_ok=True)
    monkeypatch.setattr("muse.cli.evaluate.evaluate", lambda *_, **__: pytest.fail("an episode is played"))
    assert run("eval", "--max_eps", 1, "--video", *words.split(), f"--exp={experiment}") == 1
    assert capsys.readouterr().err == f"error: {told}\n"
    assert Path("kept.mp4").read_text() == "a video" and not Path("new").exists()


def test_a_video_is_replaced_where_that_is_asked_for(experiment):
    Path("kept.mp4").write_text("a video")
    words = ["--max_eps", 1, "--video", "kept.mp4", "--overwrite", "--save_dir", "kept", f"--exp={experiment}"]
    assert run("eval", *words, "%env_train", "--num_steps", 3) == 0
    assert len(list(read_video("kept.mp4"))) == 3 + 1 + 20


TRACKED = """
from attrdict import AttrDict as d

from cfgs.exp_point_mass import bc_rnn
from muse.metrics.extract_metric import ExtractMetric
from muse.metrics.tracker import BufferedTracker

effort = d(cls=BufferedTracker, time_agg="mean", metric=d(cls=ExtractMetric, key="action", elements="norm", name="norm"))
export = bc_rnn.export & d(trainer=d(trackers=d(effort=effort)))
"""


def test_trackers_of_a_recipe_are_written_and_shown(place, capsys):
    Path("tracked.py").write_text(TRACKED)
    words = ["tracked.py", "--extra_exp_name", "_tracked", *SMALL, "--max_steps", 4]
    assert run("goal_train", "--no_wandb", *words) == 0
    (folder,) = Path("experiments/point_mass").glob("*_tracked_*")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    (value,) = [row["value"] for row in rows if row["name"] == "env_train/effort/norm"]
    assert 0 < value < 1.5
    assert run("eval", "--max_eps", 2, folder) == 0
    assert "effort/norm" in capsys.readouterr().out
    (summary,) = folder.glob("eval/*/summary.json")
    assert 0 < json.loads(summary.read_text())["trackers"]["effort/norm"] < 1.5
    loaded = muse.load(folder)
    episodes = [muse.rollout(loaded.env, loaded.policy, loaded.model, seed=seed) for seed in episode_seeds(0, 2)]
    norms = [np.linalg.norm(episode.inputs["action"], axis=1).mean() for episode in episodes]
    assert json.loads(summary.read_text())["trackers"]["effort/norm"] == pytest.approx(np.mean(norms), rel=1e-3)


def test_a_baseline_writes_nothing(experiment):
    before = sorted(experiment.rglob("*"))
    assert run("eval", "--random_policy", "--max_eps", 2, f"exp={experiment}") == 0
    assert run("eval", "--random_policy", "--max_eps", 2, RECIPE) == 0
    assert sorted(experiment.rglob("*")) == before


def test_evaluating_a_recipe_says_that_it_has_no_weights(place, capsys):
    assert run("eval", RECIPE) == 1
    assert "a recipe has no trained weights; expected exp=<experiment folder>" in capsys.readouterr().err
    assert run("eval", "--no_model_file", "--max_eps", 1, RECIPE) == 0


def test_a_folder_or_a_pattern_stands_for_its_experiment(experiment, capsys):
    assert run("eval", "--max_eps", 1, experiment) == 0
    assert run("eval", "--max_eps", 1, "exp=experiments/point_mass/*_bc-l2-ns_lstm-hs16-ps0") in (0, 1)
    assert run("compare", f"exp={experiment}", experiment, "--episodes", 1) == 0
    capsys.readouterr()
    assert run("eval", "exp=experiments/point_mass") == 1
    assert str(experiment.relative_to(Path.cwd())) in capsys.readouterr().err


def test_weights_for_another_shape_say_what_differs(experiment, capsys):
    assert run("eval", "--max_eps", 1, f"exp={experiment}", "%env_train", "--num_obstacles", 5) == 1
    shown = capsys.readouterr().err
    assert "'objects/position': shape (5, 2) in this environment; expected (3, 2), as in training" in shown


def test_going_on_with_other_options_says_so_and_uses_them(place, capsys):
    words = ["--extra_exp_name", "_other", *SMALL]
    assert run("goal_train", "--no_wandb", RECIPE, *words, "--max_steps", 4) == 0
    assert (
        run(
            "goal_train",
            "--no_wandb",
            "--continue",
            RECIPE,
            *words,
            "--max_steps",
            8,
            "%%optimizer",
            "%%%base_optimizer",
            "--lr",
            0.25,
        )
        == 0
    )
    assert "goes on with another value: trainer/optimizer/base_optimizer/lr is 0.25, was 0.001" in capsys.readouterr().err
    (folder,) = Path("experiments/point_mass").glob("*_other_*")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    rates = {row["step"]: row["value"] for row in rows if row["name"] == "train/learning_rate_pg_0"}
    assert rates[4] == 0.001 and rates[8] == 0.25
    assert "another value" in (folder / "log_train.txt").read_text()


def test_a_name_that_cannot_be_saved_is_refused_before_collecting(place, capsys):
    assert run("collect", "--max_eps", 5, "--save_file", "data/a.h5", RECIPE, *EXPERT) == 1
    assert "data/a.h5" in capsys.readouterr().err and "collect" not in capsys.readouterr().err


def test_options_after_an_experiment_reach_its_groups(experiment, capsys):
    assert run("eval", "--max_eps", 1, f"exp={experiment}", "%env_train", "--num_steps", 3) == 0
    assert "3.0 steps on average" in capsys.readouterr().out


def test_an_episode_from_python(experiment):
    loaded = muse.load(experiment)
    episode = muse.rollout(loaded.env, loaded.policy, loaded.model, seed=3)
    assert episode.inputs["ego"].shape == (len(episode), 2)
    again = muse.rollout(loaded.env, loaded.policy, loaded.model, seed=3)
    assert np.array_equal(episode.inputs["action"], again.inputs["action"])


def test_compare_pairs_two_experiments(experiment, capsys):
    assert run("compare", experiment, experiment, "--episodes", 3) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"A: {experiment}\nB: {experiment}\n") and "difference" in shown
    with pytest.raises(SystemExit) as info:
        run("compare", experiment, experiment, "--episods", 3)
    assert info.value.code == 2


def test_resolve_says_where_values_come_from(place, capsys):
    assert (
        run("resolve", "--query", "model/action_decoder/hidden_size", RECIPE, "%model", "%%action_decoder", "--hidden_size", 7)
        == 0
    )
    shown = capsys.readouterr().out
    assert "model/action_decoder/hidden_size  7  [command line]" in shown and "lstm-hs7-ps0" in shown
    assert run("resolve", "--query", "model/action_decodr", RECIPE) == 2
    assert "did you mean" in capsys.readouterr().err


def test_load_batches_shows_shapes(place, capsys):
    assert run("load_batches", "--num_batches", 3, RECIPE) == 0
    assert "(256, 10, 2)" in capsys.readouterr().out


def test_training_from_data_alone(place, capsys):
    assert run("train", "--no_wandb", RECIPE, "--extra_exp_name", "_offline", *SMALL, "--max_steps", 4) == 0
    (folder,) = Path("experiments/point_mass").glob("*_offline_*")
    assert "no environment: trainer/rollout_train_env_every_n_steps off" in (folder / "log_train.txt").read_text()
    assert (folder / "models" / "model.pt").is_file()


def test_a_mistake_is_a_message_and_a_status(place, capsys):
    with pytest.raises(SystemExit) as info:
        run("goal_train", RECIPE, "%model", "%%action_decoder", "--hiden_size", 3)
    assert info.value.code == 2
    assert "did you mean '--hidden_size'?" in capsys.readouterr().err
    assert run("tarin") == 2
    assert "did you mean 'train'?" in capsys.readouterr().err
    assert run("eval", "exp=experiments/none") == 1
    assert "no experiment here" in capsys.readouterr().err
    Path("bad.npz").write_bytes(b"nothing")
    assert run("load_batches", RECIPE, "%dataset_train", "--file", "bad.npz") == 1
    assert "bad.npz: cut short or no archive" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["scripts/resolve.py"],
        ["-m", "muse", "resolve"],
        ["-c", "import sys; from muse.cli.main import main; sys.exit(main(sys.argv[1:]))", "resolve"],
    ],
)
def test_every_spelling_runs(words):
    done = subprocess.run([sys.executable, *words, "--name_only", RECIPE], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "point_mass/b256_h10_scripted_200_bc-l2-ns_lstm-hs64-ps0\n", "")


@pytest.mark.parametrize(
    "script", ["goal_train", "train", "eval", "eval_video", "collect", "resolve", "tests/load_batches", "compare"]
)
def test_every_script_has_help(script, capsys):
    verb = script.rpartition("/")[2]
    with pytest.raises(SystemExit) as info:
        run(verb, "--help")
    assert info.value.code == 0
    shown = capsys.readouterr().out
    assert f"muse {verb}" in shown and "--debug" in shown
    assert (ROOT / "scripts" / f"{script}.py").is_file()


def test_doctor_finds_a_working_core(capsys):
    assert run("doctor") == 0
    shown = capsys.readouterr().out
    assert "ok  torch" in shown and "pictures of simulators" in shown
    if importlib.util.find_spec("robosuite") and graphics() != "disable":
        assert re.search(r"ok +pictures of simulators +drawn off the screen by (egl|osmesa), .+: \d+ a second", shown)


def test_doctor_says_what_to_install_where_nothing_draws(capsys, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    assert run("doctor") == 0
    assert re.search(r"-- +pictures of simulators +none: .*\n +mend: apt-get install libosmesa6", capsys.readouterr().out)
