"""Every recipe resolves, and what it says fits its classes."""

import importlib
import json
from pathlib import Path

import pytest

from configs.loading import load_config
from muse.experiments.assemble import ROOT_KEYS

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENTS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "cfgs").glob("exp_*/**/*.py") if path.name != "__init__.py")
COLLECTIONS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "cfgs/collect").glob("*.py") if path.name != "__init__.py")
WHOLES = {ROOT / recipe for recipe in EXPERIMENTS + COLLECTIONS}
PARTS = sorted(path for path in (ROOT / "cfgs").rglob("*.py") if path.name != "__init__.py" and path not in WHOLES)


def test_there_are_recipes():
    assert "cfgs/exp_point_mass/bc_rnn.py" in EXPERIMENTS


@pytest.mark.parametrize("recipe", EXPERIMENTS)
def test_an_experiment_resolves_twice_to_the_same(recipe, monkeypatch):
    monkeypatch.chdir(ROOT)
    first, second = (load_config(recipe, [], reads=ROOT_KEYS)[1] for _ in range(2))
    assert first.get_exp_name() == second.get_exp_name() and first.get_exp_name()
    assert first.get_resolved_json() == second.get_resolved_json()
    assert json.loads(json.dumps(first.get_resolved_json()))["model"]["cls"]


@pytest.mark.parametrize("recipe", EXPERIMENTS)
def test_an_option_of_each_group_reaches_its_value(recipe, monkeypatch):
    monkeypatch.chdir(ROOT)
    params, root = load_config(recipe, ["--seed", "7", "--batch_size", "8", "%trainer", "--max_steps", "11"], reads=ROOT_KEYS)
    assert params["seed"] == 7 and params["trainer"]["max_steps"] == 11 and params["dataset_train"]["batch_size"] == 8
    assert "s7" in root.get_exp_name()


@pytest.mark.parametrize("recipe", COLLECTIONS)
def test_a_recipe_that_collects_has_an_env_and_what_acts_in_it(recipe, monkeypatch):
    monkeypatch.chdir(ROOT)
    params, root = load_config(recipe, ["%env_train", "--horizon", "17"], reads=ROOT_KEYS)
    assert params["env_train"]["horizon"] == 17 and params["policy"]["cls"].uses_model is False
    assert root.get_exp_name() == recipe.removeprefix("cfgs/").removesuffix(".py")


@pytest.mark.parametrize("path", PARTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_part_exports_a_group(path):
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert isinstance(module.export["cls"], type)


def test_experiments_have_names_of_their_own(monkeypatch):
    monkeypatch.chdir(ROOT)
    names = [load_config(recipe, [], reads=ROOT_KEYS)[1].get_exp_name() for recipe in EXPERIMENTS]
    assert len(set(names)) == len(names), names
