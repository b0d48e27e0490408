"""That the benchmark beside robomimic runs, and that it puts robomimic's weights where they belong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from needs import needs_robosuite
from torch import distributions, nn

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "MUSE_ROBOMIMIC_PYTHON"
KEYS = {"name", "value", "unit", "reference", "ratio", "target", "holds"}


def run(*arguments, **environment):
    command = [sys.executable, str(ROOT / "benchmarks" / "square_speed.py"), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=290)


def test_without_robomimic_it_says_in_a_line_how_to_get_it():
    found = run("--quick", **{VARIABLE: ""})
    assert found.returncode == 1
    assert "benchmarks/make_robomimic_env.sh FOLDER" in found.stderr.splitlines()[-1]


@pytest.mark.slow
@needs_robosuite
def test_a_step_of_the_env_beside_robosuites_own(tmp_path):
    found = run("--only", "env_step", "--quick", "--out", str(tmp_path), **{VARIABLE: ""})
    assert found.returncode == 0, found.stderr
    (row,) = json.loads((tmp_path / "square_speed.json").read_text())
    assert set(row) == KEYS and row["ratio"] == pytest.approx(row["value"] / row["reference"], rel=1e-2)
    assert "robosuite's own step" in (tmp_path / "square_speed.md").read_text()


def test_weights_of_robomimic_give_the_same_likelihood_here(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import robomimic_peer
    import square
    from attrdict import AttrDict as d

    from cfgs.model import bc_rnn_gmm
    from configs.loading import resolve_export
    from muse.experiments.assemble import make_model

    # robomimic's net: observations in the order of their names, and three linear layers after the LSTM.
    torch.manual_seed(0)
    order, modes = sorted(square.STATES), 5
    lstm = nn.LSTM(sum(square.STATES.values()), 400, 2, batch_first=True)
    layers = {"mean": nn.Linear(400, modes * 7), "scale": nn.Linear(400, modes * 7), "logits": nn.Linear(400, modes)}
    parts = {"rnn.nets": lstm, **{f"decoder.nets.{name}": layer for name, layer in layers.items()}}
    arrays = {
        f"policy.nets.{part}.{name}": value.numpy()
        for part, module in parts.items()
        for name, value in module.state_dict().items()
    }
    head = d(action_decoder=d(policy_sig_min=1e-4))
    params, _ = resolve_export(d(device="cpu", model=bc_rnn_gmm.export & head))
    model = make_model(params["model"], square.make_spec(), seed=0)
    robomimic_peer.copy_weights(lambda name: (arrays, order), model)

    inputs = {name: torch.randn(3, 10, size) for name, size in square.STATES.items()}
    inputs["action"] = torch.rand(3, 10, 7) * 2 - 1
    y, _ = lstm(torch.cat([inputs[name] for name in order], dim=-1))
    raw = {name: layer(y) for name, layer in layers.items()}
    each = distributions.Normal(
        torch.tanh(raw["mean"].unflatten(-1, (modes, 7))), nn.functional.softplus(raw["scale"].unflatten(-1, (modes, 7))) + 1e-4
    )
    mixture = distributions.MixtureSameFamily(distributions.Categorical(logits=raw["logits"]), distributions.Independent(each, 1))
    expected = -mixture.log_prob(inputs["action"]).mean()
    found = model.loss(inputs, {"padding_mask": torch.zeros(3, 10, dtype=torch.bool)}).loss
    assert np.isclose(found.item(), expected.item(), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"{VARIABLE} names no interpreter with robomimic")
@pytest.mark.skipif(not (ROOT / "data/hvsBlock3D/scripted_square_30k.npz").is_file(), reason="no demonstrations of Square")
@pytest.mark.parametrize("name", ["train_step", "loss_curve", "rollouts"])
def test_every_row_beside_robomimic_runs(tmp_path, name):
    found = run("--only", name, "--quick", "--out", str(tmp_path))
    assert found.returncode == 0, found.stderr
    rows = json.loads((tmp_path / "square_speed.json").read_text())
    assert rows and all(set(row) - {"note"} == KEYS and row["name"].startswith(f"{name}: ") for row in rows)
