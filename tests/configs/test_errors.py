"""The texts of everything that a user can get wrong, each with the path, what came and what to try."""

import pytest
from attrdict import AttrDict as d
from example_classes import Data, Free, bc_rnn

from configs.errors import ConfigError
from configs.fields import Field
from configs.loading import load_config, resolve_export
from configs.script_parser import ConfigTokens


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--bach_size 3", "root: no option '--bach_size'; did you mean '--batch_size'?"),
        ("%model %%action_decoder --hiden_size 3", "model/action_decoder: no option '--hiden_size'; did you mean '--hidden_size'?"),
        ("%model %%action_decoder --no_use_tanhout", "model/action_decoder: no option '--no_use_tanhout'; did you mean '--use_tanh_out'?"),
        ("%model --hidden_size 3", "model: no option '--hidden_size'; %model %%action_decoder has '--hidden_size'\n  try: %model %%action_decoder --hidden_size"),
        ("%model --hiden_size 3", "model: no option '--hiden_size'; %model %%action_decoder has '--hidden_size'\n  try: %model %%action_decoder --hidden_size"),
        ("%model --max_eps 3", "model: no option '--max_eps'; it is a flag of the script\n  try: move '--max_eps' before the config"),
        ("--zzzz", "root: no option '--zzzz'; there are: --device, --seed, --batch_size, --horizon, --dataset, --exp_name, --extra_exp_name"),
        ("--no-seed", "root: no option '--no-seed'; did you mean '--seed'?"),
        ("%modle", "root: no group '%modle'; did you mean '%model'?"),
        ("%model %%decoder --x", "model: no group '%%decoder'; did you mean '%%action_decoder'?"),
        ("%xyz --a", "root: no group '%xyz'; there are: %dataset_train, %model\n  try: %xyz SOURCE adds one (a config file or a dotted class)"),
        ("%seed example_classes.Other", "root: 'seed' is no group but a value (int)\n  try: --seed VALUE"),
        ("--seed 3 %", "command line: '%' has no name; expected '%group'\n  try: --option=% where it is a value"),
        ("%model %%", "command line: '%%' has no name; expected '%%group'\n  try: --option=% where it is a value"),
        ("%%action_decoder --x", "command line: '%%action_decoder' opens a group inside a '%group', but no group is open"),
        ("%model %%%x", "command line: '%%%x' opens a group inside a '%%group', but '%model' is open"),
        ("--seed", "root: no value after '--seed'; expected a whole number\n  try: --seed VALUE (a value that begins with -- or % is written --seed=VALUE)"),
        ("--dataset --seed 3", "root: no value after '--dataset'; expected a text\n  try: --dataset VALUE (a value that begins with -- or % is written --dataset=VALUE)"),
        ("%dataset_train --names %model", "dataset_train: no value after '--names'; expected texts\n  try: --names VALUE (a value that begins with -- or % is written --names=VALUE)"),
        ("--seed 0.5", "root: '--seed' got '0.5'; expected a whole number"),
        ("--seed 1e6", "root: '--seed' got '1e6'; expected a whole number\n  try: 1000000"),
        ("%dataset_train --dt fast", "dataset_train: '--dt' got 'fast'; expected a number"),
        ("%dataset_train --load_episode_range 0 x", "dataset_train: '--load_episode_range' got 'x'; expected numbers"),
        ("%model %%action_decoder --rnn_type rnn", "model/action_decoder: '--rnn_type' got 'rnn'; expected one of gru, lstm"),
        ("%model --normalize=false", "model: '--normalize' got 'false'; expected no value\n  try: --normalize for true, --no-normalize for false"),
        ("--seed 3 4", "root: '4' belongs to no option (after '--seed')"),
        ("%model --normalize true", "model: 'true' belongs to no option (after '--normalize')\n  try: --no-normalize where it is to be false"),
        ("-s 3", "root: '-s' belongs to no option\n  try: options begin with --"),
        ("other.py", "command line: a second config 'other.py'; expected options of the first\n  try: %group other.py to replace a group"),
        ("%model nowhere.Class", "model: 'nowhere.Class' is not there: no module 'nowhere'; expected a path to a config file, a dotted module with an 'export', or a dotted class"),
        ("%model example_classes.Othr", "model: 'example_classes.Othr' is not there: no 'Othr' in 'example_classes'; did you mean 'example_classes.Other'?"),
        ("%model example_classes.BC_RNN_NAME", "model: 'example_classes.BC_RNN_NAME' is a str; expected a path to a config file, a dotted module with an 'export', or a dotted class"),
        ("%model example_classes", "example_classes: no 'export'; expected export = d(...) or a ConfigNode subclass"),
        ("%model cfgs/env/point_mas.py", "model: 'cfgs/env/point_mas.py' is not there; did you mean 'cfgs/env/point_mass.py'?"),
    ],
)  # fmt: skip
def test_the_command_line(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bc_rnn.py").write_text("from example_classes import bc_rnn\nexport = bc_rnn()\n")
    tokens = ConfigTokens(text.split())
    tokens.script_flags = ("--max_eps",)
    with pytest.raises(ConfigError) as error:
        load_config("bc_rnn.py", tokens)
    assert str(error.value) == message
    assert error.value.exit_status == 2


@pytest.mark.parametrize(
    ("export", "message"),
    [
        (d(g=d(cls=Data, horizon="3")), "g: option 'horizon' is '3' (str); expected int"),
        (d(g=d(cls=Data, horizon=True)), "g: option 'horizon' is True (bool); expected int"),
        (d(m=bc_rnn().model & d(action_decoder=d(rnn_type="rnn", use_policy_dist=False)), device="cpu"), "m/action_decoder: option 'rnn_type' is 'rnn' (str); expected one of 'gru', 'lstm'"),
        (d(a=1, exp_name="{b}"), "root: exp_name '{b}': no value 'b'"),
        (d(batch_size=1, exp_name="{batch_sze}"), "root: exp_name '{batch_sze}': no value 'batch_sze'; did you mean 'batch_size'?"),
        (d(g=d(cls=Free, exp_name="{?a:{b}")), "g: exp_name '{?a:{b}': '{' without '}'"),
        (d(g=d(cls=Free), exp_name="x{g}"), "root: exp_name 'x{g}': a group has no text; expected the path of a value"),
        (d(exp_name=3), "root: exp_name '3': a int; expected a text or a function of (params, full_params)"),
        (d(exp_name=lambda params, full: 3), "root: exp_name '<lambda>': gave 3 (int); expected a text"),
        (d(exp_name=lambda params, full: params.nothing), "root: exp_name raised AttributeError: 'View' object has no attribute 'nothing'"),
        (d(f=Field("g", lambda g: g.x.y), g=d(cls=Free)), "f: Field('g', <lambda>) raised AttributeError: 'View' object has no attribute 'x'"),
    ],
)  # fmt: skip
def test_recipes(export, message):
    with pytest.raises(ConfigError) as error:
        resolve_export(export)
    assert str(error.value) == message


def test_a_field_without_a_type_that_is_no_option():
    with pytest.raises(ConfigError) as error:
        resolve_export(d(fn=Field("other"), other=print), ["--fn", "x"])
    assert str(error.value) == "root: '--fn' cannot be set here: it is a Field whose value is of type builtin_function_or_method"


FILES = {
    "good.py": "from attrdict import AttrDict as d\nexport = d(a=1)\n",
    "raises.py": "x = 1\ny = x / 0\n",
    "syntax.py": "x = 1\ny = = 2\n",
    "imports.py": "\nimport not_a_module_at_all\n",
    "merges.py": "from attrdict import AttrDict as d\nfrom example_classes import Chain\nexport = d(a=1) & Chain\n",
    "none.py": "x = 1\n",
    "wrong.py": "export = 3\n",
    "good.yaml": "a: 1\n",
    "experiments/run_a/config.py": "from attrdict import AttrDict as d\nexport = d(a=1)\n",
    "experiments/run_b/notes.txt": "",
    "experiments/run_c/config.py": "from attrdict import AttrDict as d\nexport = d(a=1)\n",
    "experiments/run_c/config_args.txt": "--a 'unclosed",
}
KINDS = "expected a path to a config file, a dotted module with an 'export', or a dotted class"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("god.py", "root: 'god.py' is not there; did you mean 'good.py'?"),
        ("zzzzzzz", f"root: 'zzzzzzz' is not there; {KINDS}"),
        ("good.yaml", "root: 'good.yaml' is a '.yaml' file; a config is a Python file (.py) with an 'export'; did you mean 'good.py'?"),
        ("cfgs/exp_point_mass/bc_rn.py", "root: 'cfgs/exp_point_mass/bc_rn.py' is not there; did you mean 'cfgs/exp_point_mass/bc_rnn.py'?"),
        ("raises.py", "raises.py, line 2: ZeroDivisionError: division by zero"),
        ("syntax.py", "syntax.py, line 2: SyntaxError: invalid syntax (syntax.py, line 2)"),
        ("imports.py", "imports.py, line 2: ModuleNotFoundError: No module named 'not_a_module_at_all'"),
        ("merges.py", "merges.py, line 3: Chain: a ConfigNode cannot be merged with &\n  try: a subclass: class Mine(Chain): default_params = Chain.default_params & d(...)"),
        ("none.py", "none.py: no 'export'; expected export = d(...) or a ConfigNode subclass"),
        ("wrong.py", "wrong.py: 'export' is 3 (int); expected export = d(...) or a ConfigNode subclass"),
        ("exp=experiments/run_x", "exp=experiments/run_x: no such folder; did you mean 'exp=experiments/run_a'?"),
        ("exp=good.py", "exp=good.py: not a folder"),
        ("exp=experiments/run_b", "exp=experiments/run_b: no config.py in it; expected an experiment folder"),
        ("exp=experiments/run_c", "exp=experiments/run_c: config_args.txt cannot be read: No closing quotation"),
    ],
)  # fmt: skip
def test_files_and_folders(config, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(config)
    # Which of several equally near folders is offered is not fixed.
    assert str(error.value).replace("run_b'?", "run_a'?").replace("run_c'?", "run_a'?") == message


def test_a_source_without_a_class(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.py").write_text(FILES["good.py"])
    with pytest.raises(ConfigError) as error:
        load_config("good.py", ["%g", "good.py"])
    assert str(error.value) == "good.py: 'export' has no 'cls'; expected export = d(cls=..., ...) or a ConfigNode subclass"
