import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from example_classes import BC_RNN_NAME, ROOT_KEYS

from configs.command_line import from_text
from configs.errors import ConfigError
from configs.helpers import find_configs, load_base_config
from configs.loading import HelpRequested, load_config

HERE = Path(__file__).parent
RECIPE = "from example_classes import bc_rnn\n\nexport = bc_rnn()\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "bc_rnn.py").write_text(RECIPE)
    return tmp_path


def archive(root, folder):
    """Writes what an experiment folder keeps of a config."""
    folder.mkdir(parents=True)
    (folder / "config.py").write_text(root.get_config_text())
    (folder / "config_args.txt").write_text(root.get_args_text())
    (folder / "config_resolved.json").write_text(json.dumps(root.get_resolved_json()))


def test_a_path_is_loaded():
    params, root = load_config("bc_rnn.py", ["--batch_size", "64"], ROOT_KEYS)
    assert params.dataset_train.batch_size == 64
    assert root.get_config_text() == RECIPE
    assert root.get_args_text() == "--batch_size 64"
    assert root.get_changes() == []


def test_loading_leaves_no_module_and_no_file_behind(folder):
    load_config(folder / "bc_rnn.py")
    assert "__config__" not in sys.modules
    assert os.listdir(folder) == ["bc_rnn.py"]


def test_recipes_are_found_here_and_in_the_installed_package(folder):
    assert find_configs("*.py") == ["bc_rnn.py"]
    installed = find_configs("cfgs/env/*.py")
    assert "cfgs/env/point_mass.py" in installed and not any(path.endswith("__init__.py") for path in installed)
    (folder / "cfgs" / "env").mkdir(parents=True)
    for name in ("mine", "point_mass"):
        (folder / "cfgs" / "env" / f"{name}.py").write_text(RECIPE)
    assert find_configs("cfgs/env/*.py") == sorted([*installed, "cfgs/env/mine.py"])
    assert find_configs("cfgs/env/nothing.py") == []


def test_a_recipe_of_the_installed_package_is_found_anywhere(folder):
    # `folder` holds no cfgs.
    text = load_config("cfgs/env/point_mass.py")[1].get_config_text()
    assert "PointMassEnv" in text


def test_the_current_directory_comes_before_the_installed_package(folder):
    (folder / "cfgs" / "env").mkdir(parents=True)
    (folder / "cfgs" / "env" / "point_mass.py").write_text("from attrdict import AttrDict as d\nexport = d(mine=1)\n")
    assert load_config("cfgs/env/point_mass.py")[0].mine == 1


def test_a_recipe_imports_from_the_current_directory(folder):
    (folder / "only_here_for_this_test.py").write_text("class Mine:\n    pass\n")
    (folder / "mine.py").write_text(
        "from attrdict import AttrDict as d\nfrom only_here_for_this_test import Mine\nexport = d(g=d(cls=Mine))\n"
    )
    assert load_config("mine.py")[0].g.cls.__name__ == "Mine"


def test_a_recipe_may_define_dataclasses_and_nodes(folder):
    (folder / "nodes.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom configs.config_node import ConfigNode\n"
        "@dataclass\nclass Point:\n    x: int = 1\n\nclass export(ConfigNode):\n    default_params = {'point': Point(), 'n': 3}\n"
    )
    params, root = load_config("nodes.py", ["--n", "4"])
    assert (params.n, params.point.x) == (4, 1)
    assert root.get_resolved_json() == {"point": {"type": "__config__.Point", "x": 1}, "n": 4}


# Sources of groups.


@pytest.fixture()
def sources(folder):
    (folder / "other.py").write_text(
        "from attrdict import AttrDict as d\nfrom example_classes import Other\nexport = d(cls=Other, width=4, exp_name='_other{width}')\n"
    )
    (folder / "chain.py").write_text("from example_classes import Chain as export\n")
    (folder / "dotted_source_for_this_test.py").write_text((folder / "other.py").read_text())


@pytest.mark.parametrize(
    ("source", "cls", "name"),
    [
        ("other.py", "Other", "_other9"),
        ("./other.py", "Other", "_other9"),
        ("dotted_source_for_this_test", "Other", "_other9"),
        ("example_classes.Other", "Other", ""),
        ("chain.py", "Links", "_chain2"),
        ("example_classes.Chain", "Links", "_chain2"),
    ],
)
def test_a_source_replaces_a_group_and_nothing_lingers(sources, source, cls, name):
    params, root = load_config("bc_rnn.py", ["%model", source, "--width", "9", "%dataset_train", "--dt", "2"], ROOT_KEYS)
    assert params.model.cls.__name__ == cls
    assert params.model.width == 9
    assert "action_decoder" not in params.model
    assert root.get_exp_name() == BC_RNN_NAME.partition("_bc-l2")[0] + name


def test_a_source_adds_a_group(sources):
    params, root = load_config("bc_rnn.py", ["%new", "other.py", "--width", "5"], [*ROOT_KEYS, "new"])
    assert params.new.width == 5
    assert root.get_exp_name() == BC_RNN_NAME + "_other5"


def test_a_source_for_a_group_inside_a_group(sources):
    params, _ = load_config("bc_rnn.py", ["%model", "%%action_decoder", "other.py", "--width", "2"])
    assert set(params.model.action_decoder) == {"cls", "width", "exp_name"}


def test_a_new_group_that_nobody_reads_is_an_error(sources):
    with pytest.raises(ConfigError, match="root: no group 'modell'; did you mean 'model'"):
        load_config("bc_rnn.py", ["%modell", "other.py"], ROOT_KEYS)


# Coming back to an experiment.

TOKENS = [
    "--dataset",
    'it\'s a "name" with $spaces\n%and --more',
    "%dataset_train",
    "--names",
    "a b",
    "--file=--x",
    "%model",
    "%%action_decoder",
    "--hidden_size",
    "7",
]


def test_an_experiment_comes_back(folder):
    params, root = load_config("bc_rnn.py", TOKENS)
    archive(root, folder / "experiments" / "a")
    again, back = load_config("exp=experiments/a", [])
    assert again == params
    assert back.get_exp_name() == root.get_exp_name()
    assert back.get_changes() == []
    assert from_text(back.get_args_text()) == TOKENS
    assert back.get_config_text() == RECIPE


@pytest.mark.parametrize("spelling", ["exp=experiments/a", "exp=experiments/a/", "--exp=experiments/a"])
def test_further_options_reach_the_right_groups(folder, spelling):
    archive(load_config("bc_rnn.py", TOKENS)[1], folder / "experiments" / "a")
    more = ["--batch_size", "3", "%model", "--use_policy_dist", "%%action_decoder", "--hidden_size", "8"]
    params, root = load_config(spelling, more, ROOT_KEYS)
    assert params.batch_size == params.dataset_train.batch_size == 3
    assert params.dataset_train.names == ["a b"]
    assert (params.model.action_decoder.hidden_size, params.model.action_decoder.use_policy_dist) == (8, True)
    assert root.get_changes() == []
    archive(root, folder / "experiments" / "b")
    twice, _ = load_config("exp=experiments/b")
    assert twice == params


def test_a_new_source_drops_the_stored_options_of_the_old_class(folder, sources):
    archive(load_config("bc_rnn.py", TOKENS)[1], folder / "experiments" / "a")
    params, _ = load_config("exp=experiments/a", ["%model", "other.py", "--width", "2"])
    assert set(params.model) == {"cls", "width", "exp_name"}


def test_what_changed_since_is_reported(folder, caplog):
    archive(load_config("bc_rnn.py", ["--seed", "4"])[1], folder / "experiments" / "a")
    file = folder / "experiments" / "a" / "config_resolved.json"
    then = json.loads(file.read_text())
    then["model"]["action_decoder"]["hidden_size"] = 100
    then["model"]["gone"] = True
    del then["dataset_train"]["dt"]
    then["model"]["cls"] = "elsewhere.Group"
    file.write_text(json.dumps(then))
    sentences = [
        "dataset_train/dt is new: 0.1",
        "model/action_decoder/hidden_size was 100 and is 400 now",
        'model/cls was "elsewhere.Group" and is "example_classes.Group" now',
        "model/gone was true and is gone",
    ]
    # What today's command line changes is no surprise.
    assert load_config("exp=experiments/a", ["--batch_size", "2"])[1].get_changes() == sentences
    load_base_config("exp=experiments/a", [])
    assert [record.getMessage() for record in caplog.records] == [
        f"changed since the experiment: {sentence}" for sentence in sentences
    ]


def test_an_experiment_without_a_resolved_tree_says_so(folder):
    archive(load_config("bc_rnn.py")[1], folder / "a")
    (folder / "a" / "config_resolved.json").unlink()
    assert load_config("exp=a")[1].get_changes() == [
        "a/config_resolved.json is not there, so nothing can be said about what changed since"
    ]


def test_stored_arguments_that_no_longer_resolve(folder):
    archive(load_config("bc_rnn.py", ["%model", "--device", "cpu"])[1], folder / "a")
    (folder / "a" / "config.py").write_text(
        "from attrdict import AttrDict as d\nfrom example_classes import Other\nexport = d(model=d(cls=Other))\n"
    )
    with pytest.raises(ConfigError, match="no option '--device'"):
        load_config("exp=a")


# Help and errors, as a script shows them.


def test_help_lists_every_option_of_the_tree():
    with pytest.raises(HelpRequested) as error:
        load_config("bc_rnn.py", ["%model", "--help", "%%action_decoder", "--hidden_size", "5"])
    lines = str(error.value).splitlines()
    squeezed = [" ".join(line.split()) for line in lines]
    for line in (
        "(root)",
        "--batch_size int = 256",
        "%dataset_train example_classes.Data",
        "--horizon int = from horizon rows in a window",
        "--dt float = 0.1 time step [s]",
        "--load_episode_range float ... = [0.0, 0.9]",
        "--max_rows int = None",
        "--no-normalize = True",
        "--use_policy_dist = False predict a distribution",
        "%model %%action_decoder example_classes.Decoder",
        "--hidden_size int = 5 width",
        "--rnn_type str = 'lstm' kind of cell; one of gru, lstm",
    ):
        assert line in squeezed


def run(script, *args, cwd):
    return subprocess.run(
        [sys.executable, script, *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )


HEADER = """
from configs.helpers import load_base_config, get_script_parser
parser = get_script_parser()
parser.add_argument('config', type=str, help="common params for all modules.")
parser.add_argument('--max_eps', type=int, default=0)

# parse the local command line arguments
local_args, unknown = parser.parse_known_args()

# load the config tree with command line arguments that were not locally recognized
params, root = load_base_config(local_args.config, unknown)

# load the experiment name from the config root node.
exp_name = root.get_exp_name()
print(exp_name, local_args.max_eps, params.batch_size)
"""


def test_the_header_of_the_readme_works_in_a_script_of_the_user(folder):
    script = folder / "script.py"
    script.write_text(HEADER)
    good = run(
        script,
        "--max_eps",
        "3",
        "bc_rnn.py",
        "--batch_size",
        "64",
        "%model",
        "%%action_decoder",
        "--hidden_size",
        "1000",
        cwd=folder,
    )
    assert (good.returncode, good.stdout.split()) == (
        0,
        [BC_RNN_NAME.replace("b256", "b64").replace("hs400", "hs1000"), "3", "64"],
    )
    wrong = run(script, "bc_rnn.py", "--max_eps", "3", cwd=folder)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert (
        wrong.stderr
        == "error: root: no option '--max_eps'; it is a flag of the script\n  try: move '--max_eps' before the config\n"
    )
    tree = run(script, "bc_rnn.py", "--help", cwd=folder)
    assert (tree.returncode, tree.stderr) == (0, "")
    assert "%model %%action_decoder" in tree.stdout


def test_load_base_config_prints_the_message_alone(capsys):
    with pytest.raises(SystemExit) as error:
        load_base_config("bc_rnn.py", ["%modle", "--x"])
    assert error.value.code == 2
    assert capsys.readouterr() == ("", "error: root: no group '%modle'; did you mean '%model'?\n")
    with pytest.raises(SystemExit) as error:
        load_base_config("bc_rnn.py", ["-h"])
    assert error.value.code == 0
    assert capsys.readouterr().err == ""
