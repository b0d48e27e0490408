import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.exp_name import TemplateError, fill

VALUES = {
    "a": 3,
    "lr": 0.001,
    "tiny": 1e-5,
    "two": 2.0,
    "yes": True,
    "none": None,
    "zero": 0,
    "list": [],
    "text": "x.y",
    "in/side": 7,
}


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("", ""),
        ("plain", "plain"),
        ("b{a}_", "b3_"),
        ("{lr}-{tiny}-{two}", "0_001-1e-05-2_0"),
        ("{yes}{none}", "TrueNone"),
        ("{text}", "x.y"),
        ("{in/side}", "7"),
        ("{?a}", "a"),
        ("{?zero}", ""),
        ("{?a:yes}", "yes"),
        ("{?zero:yes}", ""),
        ("{?zero:yes:no}", "no"),
        ("{?a:yes:no}", "yes"),
        ("{?a::no}", ""),
        ("{?none::no}{?list::no}", "nono"),
        ("{?a:s{a}_}", "s3_"),
        ("{?zero:s{zero}_}x", "x"),
        ("{?a:{?lr:l{lr}:m}:n}", "l0_001"),
        ("{?zero:{?lr:l:m}:{?a:n{a}:o}}", "n3"),
    ],
)
def test_templates(template, name):
    assert fill(template, VALUES.__getitem__) == name


@pytest.mark.parametrize("template", ["{a", "a}", "{?a:{a}", "}{", "{?a:b:c:d}"])
def test_wrong_templates(template):
    with pytest.raises(TemplateError):
        fill(template, VALUES.__getitem__)


def test_a_branch_that_is_not_taken_reads_nothing():
    read = []

    def lookup(key):
        read.append(key)
        return VALUES[key]

    assert fill("{?zero:{missing}:{a}}", lookup) == "3"
    assert read == ["zero", "a"]


texts = st.text(alphabet="ab_-/.0", max_size=4)


@st.composite
def templates(draw, depth=3):
    """A template and what it should come to, built together."""
    template, name = draw(texts), None
    name = template
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(["value", "if", "text"])) if depth else "text"
        if kind == "text":
            part = draw(texts)
            template, name = template + part, name + part
        elif kind == "value":
            template, name = template + "{a}", name + "3"
        else:
            key = draw(st.sampled_from(["a", "zero"]))
            (yes, yes_name), (no, no_name) = draw(templates(depth - 1)), draw(templates(depth - 1))
            template, name = template + "{?" + f"{key}:{yes}:{no}" + "}", name + (yes_name if key == "a" else no_name)
    return template, name


@given(templates())
def test_conditionals_nest(pair):
    template, name = pair
    assert fill(template, VALUES.__getitem__) == name


@given(st.text(alphabet="{}?:ab", max_size=12))
def test_any_template_gives_a_name_or_a_template_error(template):
    with contextlib.suppress(TemplateError):
        assert isinstance(fill(template, lambda key: 1), str)
