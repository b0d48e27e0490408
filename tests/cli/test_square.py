"""The specification's worked example, with its commands as they are printed there, at a small size."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from needs import needs_robosuite

from muse.cli.main import main
from muse.datasets.formats import npz
from muse.datasets.formats.episode_data import EpisodeData

pytestmark = [
    needs_robosuite,
    pytest.mark.timeout(600),
]
RECIPE = "cfgs/exp_hvs/square/bc_rnn.py"
NAME = "hvsBlock3D/velact_b256_h10_human_square_30k_bc-l2_lstm-hs400-ps0"
SCRIPTED = "data/hvsBlock3D/scripted_square_30k.npz"
HUMAN = "data/hvsBlock3D/human_square_30k.npz"
SMALL = "%trainer --max_steps 4 --save_every_n_steps 2 --holdout_every_n_steps 2 --block_env_on_first_n_steps 0"
SMALL += " --write_to_tensorboard_every_n_train_steps 1 --rollout_train_env_every_n_steps 4 --rollout_train_env_n_per_step 2"
SMALL = [*SMALL.split(), "%env_train", "--num_steps", "12", "%vector_env", "--num_envs", "2"]


def run(line: str, *more: str) -> int:
    return main([*line.split(), *more])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with scripted demonstrations, once more under the name of the human ones, as the current folder."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("square")
    os.chdir(folder)
    line = f"collect --max_eps 10 --only_successful --num_envs 2 --save_file {SCRIPTED} {RECIPE} %policy cfgs/policy/square_expert.py"
    assert run(line) == 0
    shutil.copy(SCRIPTED, HUMAN)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def experiment(place):
    environment = pytest.MonkeyPatch()
    environment.setenv("WANDB_MODE", "offline")
    assert run(f"goal_train --wandb_tags square:bc {RECIPE}", *SMALL) == 0
    environment.undo()
    return place / "experiments" / NAME


def test_human_demonstrations_are_converted_and_trained_on(place, tmp_path, capsys):
    h5py = pytest.importorskip("h5py")
    assert run(f"convert {SCRIPTED} {tmp_path}/low_dim.hdf5") == 0
    with h5py.File(tmp_path / "low_dim.hdf5", "r+") as file:
        # What robomimic itself would not have written.
        del file["data"].attrs["muse_meta"]
        for demo in file["data"].values():
            if "muse" in demo:
                del demo["muse"]
    assert run(f"convert {tmp_path}/low_dim.hdf5 {tmp_path}/human.npz") == 0
    assert run(f"load_batches --num_batches 2 {RECIPE} %dataset_train --file {tmp_path}/human.npz") == 0
    assert run(f"goal_train --no_wandb --no_env {RECIPE} --dataset human --exp_name human", *SMALL[:3], "%dataset_train", "--file",
               f"{tmp_path}/human.npz", "%dataset_holdout", "--file", f"{tmp_path}/human.npz") == 0  # fmt: skip


def test_the_demonstrations_are_solved_episodes_of_the_named_environment(place):
    data = npz.read(SCRIPTED)
    assert len(data.ends) == 10 and (data.steps["reward"][data.ends - 1] == 1).all()
    assert data.steps["object"].shape[1:] == (14,) and data.steps["action"].shape[1:] == (7,)
    assert data.onetime["initial_state"].shape == (10, 45)
    fingerprint = data.meta["fingerprint"]
    assert set(fingerprint["simulators"]) == {"robosuite", "mujoco"} and fingerprint["params"]["env_name"] == "NutAssemblySquare"
    assert np.abs(data.steps["action"]).max() <= 1


def test_the_experiment_has_its_name_and_contents(experiment):
    there = {path.name for path in experiment.iterdir()}
    assert {"models", "config.py", "config_args.txt", "log_train.txt", "git", "loss.csv", "metrics.jsonl", "wandb"} <= there
    assert {"model.pt", "best_model.pt", "train_state.pt"} <= {path.name for path in (experiment / "models").iterdir()}
    assert (experiment / "config.py").read_text() == (Path(__file__).parents[2] / RECIPE).read_text()
    scalars = {key for line in (experiment / "metrics.jsonl").read_text().splitlines() for key in json.loads(line)} | set(
        re.findall(r"[\w/]+", (experiment / "metrics.jsonl").read_text())
    )
    assert {"env_train/returns", "env_train/success", "train/loss", "holdout/loss"} <= scalars


def test_the_evaluation_of_the_specification(experiment, capsys):
    assert run(f"eval --max_eps 3 --track_returns --num_envs 2 --exp=experiments/{NAME}") == 0
    out = capsys.readouterr().out
    assert "success" in out and "returns" in out and "of 3 episodes" in out
    (summary,) = experiment.glob("eval/*/summary.json")
    assert json.loads(summary.read_text())["episodes"] == 3


def test_a_larger_network_has_its_own_name(place, capsys):
    assert run(f"resolve --name_only {RECIPE} %model %%action_decoder --hidden_size 1000") == 0
    assert capsys.readouterr().out.strip() == NAME.replace("lstm-hs400", "lstm-hs1000")
    assert run(f"resolve {RECIPE}") == 0
    assert "NutAssemblySquare" in capsys.readouterr().out


def test_weights_of_another_environment_are_refused_unless_allowed(experiment, capsys):
    line = f"exp=experiments/{NAME} %env_train --control_frequency 10"
    assert run(f"eval --max_eps 1 --num_envs 1 {line}") == 1
    assert "best_model.pt: made in another environment: control_frequency 20, now 10" in capsys.readouterr().err
    assert run(f"eval --allow_mismatch --max_eps 1 --num_envs 1 {line}") == 0
    assert run(f"goal_train --no_wandb {RECIPE} --dataset scripted_square_30k %env_train --control_frequency 10") == 1
    assert "the data of dataset_train: made in another environment: control_frequency 20, now 10" in capsys.readouterr().err


def test_missing_demonstrations_say_where_to_get_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(f"goal_train --wandb_tags square:bc {RECIPE}") == 1
    error = capsys.readouterr().err
    assert error.startswith(
        f"error: {HUMAN}: no such file; expected episodes to learn from\n  try: robomimic's human demonstrations"
    )
    assert "scripts/conversion/robomimic_to_npz.py" in error and "--dataset scripted_square_30k" in error
    assert f"--save_file {SCRIPTED}" in error


def test_the_demonstrations_replay_to_the_bit(place, capsys):
    assert run(f"replay {SCRIPTED} --max_eps 4 --num_envs 2") == 0
    out = capsys.readouterr().out
    assert (
        "replayed    4 ended with a reward, 100.0%" in out
        and "solved      4 in the state" in out
        and "lengths     4 as recorded" in out
    )
    assert len(re.findall(r"difference  \S+ +0 at most", out)) == 4


def test_a_replay_that_fails_says_so(place, capsys):
    data = npz.read(SCRIPTED)
    steps = {name: array if name != "action" else np.zeros_like(array) for name, array in data.steps.items()}
    npz.write("data/idle.npz", EpisodeData(steps, data.onetime, data.ends, data.meta))
    assert run("replay data/idle.npz --max_eps 2 --num_envs 2") == 1
    out = capsys.readouterr().out
    assert "recorded    2 ended with a reward" in out and "0 ended with a reward" in out and "worse       episodes 0, 1" in out


def test_a_replay_imports_nothing_that_data_names(place, capsys):
    data = npz.read(SCRIPTED)
    meta = {**data.meta, "fingerprint": {**data.meta["fingerprint"], "class": "antigravity.Env"}}
    npz.write("data/foreign.npz", EpisodeData(data.steps, data.onetime, data.ends, meta))
    assert run("replay data/foreign.npz") == 1
    assert "made in antigravity.Env; expected an environment of Muse's own\n  try: --recipe" in capsys.readouterr().err
    npz.write("data/silent.npz", EpisodeData(data.steps, data.onetime, data.ends, {}))
    assert run("replay data/silent.npz") == 1
    assert "it does not say in which environment it was made" in capsys.readouterr().err
    assert run(f"replay data/silent.npz --max_eps 1 --num_envs 1 --recipe {RECIPE}") == 0
