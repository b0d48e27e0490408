import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.command_line import Option, Segment, append, from_text, join, match, parse, split, to_text
from configs.errors import ConfigError, StrayPercentError

words = st.text(alphabet="%-=ax1 '\"\\\n$", max_size=6)
plain_words = words.filter(lambda word: not word.startswith("%"))
names = st.text(alphabet="abc_/", min_size=1, max_size=3)
segments = st.recursive(
    st.builds(Segment, names, st.lists(plain_words, max_size=3)),
    lambda inner: st.builds(Segment, names, st.lists(plain_words, max_size=3), st.lists(inner, max_size=3)),
    max_leaves=8,
)
roots = st.builds(Segment, st.just(""), st.lists(plain_words, max_size=3), st.lists(segments, max_size=3))


def test_groups_open_inside_one_another():
    tree = split(["--a", "1", "%model", "--b", "%%dec", "--c", "2", "%%%x", "%%enc", "%data", "--d"])
    dec = Segment("dec", ["--c", "2"], [Segment("x")])
    assert tree == Segment("", ["--a", "1"], [Segment("model", ["--b"], [dec, Segment("enc")]), Segment("data", ["--d"])])


def test_a_group_may_be_reopened():
    tree = split(["%g", "--a", "1", "%h", "%g", "--b", "2"])
    assert [child.name for child in tree.children] == ["g", "h", "g"]


@given(st.lists(words))
def test_split_keeps_every_token_or_says_which_one_is_stray(tokens):
    try:
        tree = split(tokens)
    except StrayPercentError:
        opened = 0
        for token in tokens:
            depth = len(token) - len(token.lstrip("%"))
            if depth and (depth == len(token) or depth > opened + 1):
                return
            opened = depth or opened
        raise
    assert join(tree) == tokens


@given(roots)
def test_join_and_split_are_inverse(tree):
    assert split(join(tree)) == tree


@given(roots, roots)
def test_appending_keeps_the_order_and_gives_root_options_to_the_root(first, second):
    both = append(first, second)
    assert both.tokens == first.tokens + second.tokens
    assert split(join(both)) == both


@given(st.lists(st.text()))
def test_stored_arguments_survive(tokens):
    assert from_text(to_text(tokens)) == tokens


options = {
    option.name: option
    for option in (
        Option("n", int),
        Option("x", float),
        Option("s", str),
        Option("on", bool),
        Option("off", bool),
        Option("xs", list, float),
        Option("flags", list, bool),
        Option("opt/lr", float),
        Option("opt/amsgrad", bool),
        Option("kind", str, choices=("a", "b")),
        Option("no_env", bool),
        Option("env", bool),
        Option("field"),
    )
}


@pytest.mark.parametrize(
    ("tokens", "values"),
    [
        ("--n 3", {"n": 3}),
        ("--n -3", {"n": -3}),
        ("--n=3", {"n": 3}),
        ("--n None", {"n": None}),
        ("--x 1e-4", {"x": 1e-4}),
        ("--x 3", {"x": 3.0}),
        ("--s None", {"s": "None"}),
        ("--s=--n", {"s": "--n"}),
        ("--s=%d", {"s": "%d"}),
        ("--s=a=b", {"s": "a=b"}),
        ("--s=", {"s": ""}),
        ("--on", {"on": True}),
        ("--no-on", {"on": False}),
        ("--no_on", {"on": False}),
        ("--xs 0.9 0.999 --on", {"xs": [0.9, 0.999], "on": True}),
        ("--xs -1 2", {"xs": [-1.0, 2.0]}),
        ("--flags true False", {"flags": [True, False]}),
        ("--opt/lr 1e-3", {"opt/lr": 1e-3}),
        ("--opt/no-amsgrad", {"opt/amsgrad": False}),
        ("--no-opt/amsgrad", {"opt/amsgrad": False}),
        ("--kind b", {"kind": "b"}),
        ("--no_env", {"no_env": True}),
        ("--no-env", {"env": False}),
        ("--n 1 --n 2", {"n": 2}),
    ],
)
def test_values(tokens, values):
    found = parse(tokens.split(), options, "g")
    assert found == values
    assert {name: type(value) for name, value in found.items()} == {name: type(value) for name, value in values.items()}


@given(st.floats(allow_nan=False))
def test_every_float_reads_as_itself(value):
    assert parse(["--x", repr(value)], options, "") == {"x": value}


@given(st.integers())
def test_every_int_reads_as_itself(value):
    assert parse(["--n", str(value)], options, "") == {"n": value}


@given(st.text())
def test_every_text_can_be_given(value):
    assert parse([f"--s={value}"], options, "") == {"s": value}


@given(
    st.lists(st.sampled_from(["--n", "--x", "--xs", "--on", "--no-on", "--s", "1", "0.5", "a", "--", "-h", "--field", "--zz"]))
)
def test_any_tokens_give_values_or_a_config_error(tokens):
    try:
        assert set(parse(tokens, options, "")) <= set(options)
    except ConfigError as error:
        assert str(error).startswith("root: ")


def test_match_prefers_the_exact_name():
    assert match("no_env", options) == (options["no_env"], False)
    assert match("no-n", options) is None
