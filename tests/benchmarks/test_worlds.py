"""That experts and policies that learn from them are measured, once each, and what is found is written down."""

import json
import sys
from pathlib import Path

import pytest

from muse.cli.envs.results import read_results

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """
from attrdict import AttrDict as d
from cfgs.exp_point_mass import bc_rnn
trainer = d(max_steps=4, holdout_every_n_steps=2, rollout_train_env_every_n_steps=2, rollout_train_env_n_per_step=1, save_every_n_steps=2)
export = bc_rnn.export & d(exp_name="worlds/point_mass", dataset="../worlds/point_mass", batch_size=16, trainer=trainer)
"""


@pytest.fixture
def measure(tmp_path, monkeypatch):
    """Runs the script in an empty folder with a small recipe, and returns its status and what its file holds then."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    recipe = tmp_path / "cfgs" / "exp_worlds" / "point_mass.py"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(RECIPE)
    import worlds

    def run(line):
        status = worlds.main([*line.split(), "--out", "worlds.json"])
        return status, read_results("worlds.json")

    yield run
    sys.modules.pop("worlds")


def test_an_expert_is_measured_once(measure, capsys):
    status, found = measure("--world point_mass --episodes 3")
    assert status == 0 and set(found) == {"point_mass"} and set(found["point_mass"]) == {"expert"}
    assert found["point_mass"]["expert"].episodes == 3 and found["point_mass"]["expert"].solved == 3
    assert measure("--world point_mass --episodes 5") == (0, found)
    _, again = measure("--world point_mass --episodes 5 --again")
    assert again["point_mass"]["expert"].episodes == 5
    assert "point_mass, expert: 100.0%" in capsys.readouterr().out


def test_a_policy_is_trained_and_measured_as_a_person_would(measure, capsys):
    status, found = measure("--world point_mass --bc --episodes 2 --demonstrations 11 --bc_episodes 3")
    assert status == 0 and set(found["point_mass"]) == {"expert", "bc"}
    result = found["point_mass"]["bc"]
    assert (result.episodes, result.demonstrations, result.training_steps) == (3, 11, 4)
    assert result.recipe == "cfgs/exp_worlds/point_mass.py" and 0 <= result.solved <= 3
    (summary,) = Path("experiments").rglob("eval/worlds/summary.json")
    assert json.loads(summary.read_text())["episodes"] == 3
    out = capsys.readouterr().out
    assert "muse collect --max_eps 11 --only_successful" in out and "muse goal_train --no_wandb --continue" in out
    # Once more: data and training are there.
    again = measure("--world point_mass --only bc --again --demonstrations 11 --bc_episodes 3")[1]
    assert again["point_mass"]["bc"].solved == result.solved and "none of them new" in capsys.readouterr().out


def test_what_cannot_be_measured_is_told(measure, capsys):
    assert measure("--world no_world")[0] == 2
    assert "no world 'no_world'" in capsys.readouterr().err
    assert measure("--world pendulum --only bc") == (0, {})
    assert "it has no recipe" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        measure("--recipe a.py")
