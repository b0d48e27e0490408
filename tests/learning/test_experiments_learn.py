"""Whole experiments, from collecting to evaluating, beat their untrained selves by more than chance."""

import json
import os
from math import comb
from pathlib import Path

import pytest

from muse.cli.main import main
from muse.rollouts.evaluation import load_evaluation


def fisher_p(better: int, worse: int, n: int) -> float:
    """One-sided exact p-value that `better` of n successes against `worse` of n is chance (R. A. Fisher, 1935)."""
    total = better + worse
    return sum(comb(n, k) * comb(n, total - k) for k in range(better, min(n, total) + 1)) / comb(2 * n, total)


def run(*words):
    assert main([str(word) for word in words]) == 0


def evaluate(folder, episodes, *words):
    run("eval", "--max_eps", episodes, "--save_dir", folder, *words)
    return load_evaluation(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("learning"))
    run(
        "collect",
        "--max_eps",
        60,
        "--save_file",
        "data/point_mass/scripted_200.npz",
        "cfgs/exp_point_mass/bc_rnn.py",
        "%policy",
        "cfgs/policy/point_mass_expert.py",
    )
    yield
    os.chdir(before)


def test_fisher_p_against_a_known_table():
    # The lady tasting tea: 3 of 4 against 1 of 4 has p = 17/70.
    assert fisher_p(3, 1, 4) == pytest.approx(17 / 70)


HEADS = {
    "rnn": ["cfgs/model/bc_rnn.py", "%%action_decoder", "--hidden_size", 32],
    "mlp": ["cfgs/model/bc_mlp.py"],
    "chunk": ["cfgs/model/bc_chunk.py"],
    "gmm": ["cfgs/model/bc_rnn_gmm.py", "%%action_decoder", "--hidden_size", 32],
    "gaussian": ["cfgs/model/bc_gaussian.py", "%%action_decoder", "--hidden_size", 32],
}


@pytest.mark.parametrize(
    "head", [pytest.param(name, marks=[] if name in ("rnn", "mlp", "chunk") else [pytest.mark.slow]) for name in HEADS]
)
def test_the_point_mass_is_learnt(place, head):
    recipe, episodes = "cfgs/exp_point_mass/bc_rnn.py", 20
    options = [
        "--extra_exp_name",
        f"_{head}",
        "--batch_size",
        64,
        "%model",
        *HEADS[head],
        "%trainer",
        "--max_steps",
        300 if head in ("rnn", "mlp", "chunk") else 800,
        "--rollout_train_env_every_n_steps",
        0,
    ]
    untrained = evaluate(f"{head}/untrained", episodes, "--no_model_file", recipe, *options)
    run("goal_train", "--no_wandb", recipe, *options)
    (config,) = Path("experiments/point_mass").glob(f"*_{head}_*/config.py")
    trained = evaluate(f"{head}/trained", episodes, "--model_file", "model.pt", f"exp={config.parent}")
    assert fisher_p(trained.successes, untrained.successes, episodes) < 0.001, (trained.successes, untrained.successes)


@pytest.mark.parametrize(
    ("name", "demonstrations", "steps", "gain"),
    [("cartpole", 10, 300, 100.0), ("pendulum", 20, 600, 300.0)],
)
def test_a_gymnasium_environment_is_collected_from_learnt_and_evaluated(place, name, demonstrations, steps, gain):
    recipe = f"cfgs/exp_gym/{name}_bc.py"
    run(
        "collect",
        "--max_eps",
        demonstrations,
        "--save_file",
        f"data/gym/{name}_50.npz",
        recipe,
        "%policy",
        f"cfgs/policy/{name}_expert.py",
    )
    options = [
        "%trainer",
        "--max_steps",
        steps,
        "--rollout_train_env_every_n_steps",
        0,
        "%%optimizer",
        "%%%base_optimizer",
        "--lr",
        3e-3,
    ]
    untrained = evaluate(f"{name}/untrained", 10, "--no_model_file", recipe, *options)
    run("goal_train", "--no_wandb", recipe, *options)
    (config,) = Path("experiments/gym").glob(f"{name}/*/config.py")
    trained = evaluate(f"{name}/trained", 10, f"exp={config.parent}")
    assert trained.mean_return > untrained.mean_return + gain, (trained.mean_return, untrained.mean_return)
    assert min(trained.returns) > sorted(untrained.returns)[-2]
    assert json.loads((Path(name) / "trained" / "summary.json").read_text())["episodes"] == 10
