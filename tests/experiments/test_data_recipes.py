"""Recipes with something between the file and the model, from the command line to a trained policy."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from configs.loading import load_config
from muse.cli.main import main
from muse.datasets import ConcatDataset
from muse.experiments.assemble import ROOT_KEYS, assemble, check_fit, make_spec, recorded_spec
from muse.utils.attrdicts import flatten

RECIPE = """
from attrdict import AttrDict as d

from cfgs.dataset import np_seq
from cfgs.exp_point_mass import bc_rnn
from configs.fields import Field as F
from configs.fields import replace
from muse.datasets import ConcatDataset, GaussianNoise, GoalRelabelling
from muse.datasets.preprocess import NStepReward, RewardToGo
from muse.datasets.samplers import MixtureSampler

data = np_seq.export & d(
    data_preprocessors=d(to_go=d(cls=RewardToGo, gamma=0.9), n_step=d(cls=NStepReward, n=2)),
    goal_relabelling=d(cls=GoalRelabelling, names={"goal/ego": "ego"}),
)
parts = d(
    near=data & d(file="near.npz", load_episode_range=[0.0, 0.75]),
    far=data & d(file="far.npz", load_episode_range=[0.0, 0.75]),
)
late = d(load_from_base=True, load_episode_range=[0.75, 1.0])

export = bc_rnn.export & d(
    exp_name="mixed",
    batch_size=32,
    dataset_train=replace(
        d(cls=ConcatDataset, datasets=parts, batch_size=F("batch_size"), sampler=d(cls=MixtureSampler, weights=[3.0, 1.0]))
    ),
    dataset_holdout=replace(
        d(
            cls=ConcatDataset,
            datasets=d(near=parts.near & late, far=parts.far & late),
            batch_size=F("batch_size"),
            load_from_base=True,
        )
    ),
    model=d(use_goal=True, goal_names=["goal/ego"], action_decoder=d(hidden_size=8)),
    trainer=d(augmentations=d(noise=d(cls=GaussianNoise, names=["ego"], std=0.01))),
)
"""
TRAINER = [
    "%trainer",
    "--max_steps",
    "6",
    "--holdout_every_n_steps",
    "3",
    "--rollout_train_env_every_n_steps",
    "0",
    "--save_every_n_steps",
    "3",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("recipes"))
    Path("mixed.py").write_text(RECIPE)
    for seed, name in enumerate(("near", "far")):
        words = ["--max_eps", "8", "--seed", str(seed), "--save_file", f"{name}.npz"]
        assert main(["collect", *words, "cfgs/exp_point_mass/bc_rnn.py", "%policy", "cfgs/policy/point_mass_expert.py"]) == 0
    yield
    os.chdir(before)


def load(*words):
    return load_config("mixed.py", list(words), reads=ROOT_KEYS)[0]


def test_the_spec_knows_all_names_before_anything_is_built(place):
    spec = make_spec(load())
    assert {"reward_to_go", "n_step/reward", "n_step/discount", "n_step/offset", "goal/ego"} <= set(spec.all_names)
    assert spec.leaf("goal/ego").role == "goal"


def test_parts_fit(place):
    experiment = assemble(load(), with_env=False)
    experiment.model.load_statistics(experiment.datasets_train[0].get_statistics(experiment.model.statistics_names))
    check_fit(experiment)
    train, holdout = experiment.datasets_train[0], experiment.datasets_holdout[0]
    assert isinstance(train, ConcatDataset) and (train.get_num_episodes(), holdout.get_num_episodes()) == (12, 4)
    counts = np.bincount(np.searchsorted([len(train.parts[0])], train.get_sampler().next_indices(), side="right"))
    assert counts.tolist() == [24, 8]
    assert "goal/ego" not in recorded_spec(experiment) and "reward" in recorded_spec(experiment)


def test_every_option_is_on_the_command_line(place):
    params = load(
        "%dataset_train", "%%sampler", "--weights", "1", "7", "%%datasets/near", "%%%data_preprocessors/to_go", "--gamma", "0.5",
        "%%%goal_relabelling", "--choose", "last", "--per", "row", "%trainer", "%%augmentations/noise", "--std", "0.25",
    )  # fmt: skip
    assert list(params["dataset_train"]["sampler"]["weights"]) == [1, 7]
    near, far = (params["dataset_train"]["datasets"][name] for name in ("near", "far"))
    assert (near["data_preprocessors"]["to_go"]["gamma"], far["data_preprocessors"]["to_go"]["gamma"]) == (0.5, 0.9)
    assert near["goal_relabelling"]["choose"] == "last" and far["goal_relabelling"]["choose"] == "uniform"
    assert params["trainer"]["augmentations"]["noise"]["std"] == 0.25
    dataset = assemble(params, with_env=False, with_model=False).datasets_train[0]
    inputs = flatten(dataset.get_batch(np.array([0]))[0])
    first = dataset.get_episode(0)
    assert np.array_equal(inputs["goal/ego"][0, 0], first["ego"][-1])


def test_training_stops_and_goes_on(place):
    assert main(["train", "--no_wandb", "mixed.py", *TRAINER]) == 0
    assert main(["train", "--no_wandb", "--continue", "mixed.py", *TRAINER, "--max_steps", "8"]) == 0
    (state,) = Path("experiments").rglob("train_state.pt")
    assert torch.load(state, weights_only=True)["step"] == 8
    assert main(["load_batches", "--num_batches", "2", "mixed.py"]) == 0


def test_collecting_by_the_recipe_records_nothing_that_datasets_make(place):
    words = ["--max_eps", "1", "--save_file", "more.npz", "mixed.py", "%policy", "cfgs/policy/point_mass_expert.py"]
    assert main(["collect", *words]) == 0
    with np.load("more.npz") as found:
        assert not any(name.startswith(("goal/", "n_step/", "reward_to_go")) for name in found)
        assert "reward" in found
