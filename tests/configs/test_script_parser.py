import argparse

import pytest

from configs.helpers import get_script_parser


@pytest.fixture()
def parser():
    parser = get_script_parser(prog="script.py")
    parser.add_argument("config", type=str, help="common params for all modules.")
    parser.add_argument("--max_eps", type=int, default=0, help="how many episodes")
    parser.add_argument("--track_returns", action="store_true")
    parser.add_argument("-m", "--model_file", default="model.pt")
    parser.add_argument("--sizes", type=int, nargs=2)
    parser.add_argument("--tags", nargs="*")
    parser.add_argument("--maybe", nargs="?")
    return parser


@pytest.mark.parametrize(
    ("tokens", "config", "after"),
    [
        ("c.py", "c.py", ""),
        ("c.py --max_eps 3 %g --track_returns", "c.py", "--max_eps 3 %g --track_returns"),
        ("--max_eps 100 --track_returns --exp=experiments/a", "exp=experiments/a", ""),
        ("--exp experiments/a --batch_size 3", "exp=experiments/a", "--batch_size 3"),
        ("exp=experiments/a --help", "exp=experiments/a", "--help"),
        ("-m x.pt c.py -m y", "c.py", "-m y"),
        ("-mx.pt c.py", "c.py", ""),
        ("--model_file=c.py d.py", "d.py", ""),
        ("--max_eps -1 c.py", "c.py", ""),
        ("--sizes 3 4 c.py 5", "c.py", "5"),
        ("--tags a b c.py d", "c.py", "d"),
        ("--tags a b exp=x d", "exp=x", "d"),
        ("--tags --max_eps 3 c.py", "c.py", ""),
        ("--maybe c.py", "c.py", ""),
        ("--maybe x c.py", "c.py", ""),
        ("c.py -- x", "c.py", "-- x"),
    ],
)
def test_the_config_ends_the_flags(parser, tokens, config, after):
    args, rest = parser.parse_known_args(tokens.split())
    assert (args.config, rest) == (config, after.split())
    assert isinstance(rest, list)


def test_flags_before_the_config_are_read(parser):
    args, _ = parser.parse_known_args(
        ["--max_eps", "3", "--sizes", "1", "2", "--tags", "a", "b", "--track_returns", "c.py", "--max_eps", "4"]
    )
    assert vars(args) == {
        "config": "c.py", "max_eps": 3, "sizes": [1, 2], "tags": ["a", "b"], "track_returns": True, "model_file": "model.pt", "maybe": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ("", "the following arguments are required: config"),
        ("--max_eps", "argument --max_eps: expected one argument"),
        (
            "--max 3 c.py",
            "no flag '--max' of this script; did you mean '--max_eps'?\n  options of a config stand after the config",
        ),
        ("--batch_size 3 c.py", "no flag '--batch_size' of this script"),
        ("--max_eps x c.py", "argument --max_eps: invalid int value: 'x'"),
    ],
)
def test_wrong_flags(parser, capsys, tokens, message):
    with pytest.raises(SystemExit) as error:
        parser.parse_known_args(tokens.split())
    assert error.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("tokens", ["--help", "--help c.py", "--max_eps 3 -h c.py"])
def test_help_before_the_config_is_the_scripts(parser, capsys, tokens):
    with pytest.raises(SystemExit) as error:
        parser.parse_known_args(tokens.split())
    assert error.value.code == 0
    assert "how many episodes" in capsys.readouterr().out


def test_other_positionals_stand_before_or_after_the_config():
    parser = get_script_parser()
    parser.add_argument("output")
    parser.add_argument("config")
    args, rest = parser.parse_known_args(["out", "c.py", "--x"])
    assert (args.output, args.config, rest) == ("out", "c.py", ["--x"])


def test_a_parser_without_a_config_is_an_ordinary_one():
    parser = get_script_parser(formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--n", type=int)
    assert vars(parser.parse_args(["x", "--n", "3", "y"])) == {"a": "x", "b": "y", "n": 3}


def test_parse_args_refuses_what_nobody_will_read(parser, capsys):
    assert parser.parse_args(["c.py"]).config == "c.py"
    with pytest.raises(SystemExit):
        parser.parse_args(["c.py", "--batch_size", "3"])
    assert "unrecognized arguments: --batch_size 3" in capsys.readouterr().err
