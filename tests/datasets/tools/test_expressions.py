"""The language of conditions: it computes what Python would, by row where there are rows, and runs nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muse.datasets.tools.expressions import Expression, ExpressionError, Value

NUMBERS = {"a": 2.0, "b": -0.5, "c": 7.0}
ROWS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
NAMES = {
    **{name: Value(np.asarray(value)) for name, value in NUMBERS.items()},
    "ego": Value(ROWS, True),
    "goal": Value(np.array([1.0, 0.0, -1.0])),
    "objects/position": Value(ROWS.reshape(6, 3, 1) + np.zeros(2, np.float32), True),
    "reward": Value(np.arange(6, dtype=np.float32)[:, None], True),
    "bytes": Value(np.array([[0, 255]] * 6, np.uint8), True),
    "note": Value(np.array(["left"] * 6), True),
}


def compute(text, **options):
    expression = Expression(text, **options)
    expression.check_names(NAMES)
    return expression.evaluate(NAMES.__getitem__)


def is_true(text):
    return Expression(text).is_true(NAMES.__getitem__)


numbers = st.one_of(
    st.sampled_from([*NUMBERS]), st.integers(0, 20).map(str), st.floats(0, 10, allow_nan=False).map(lambda x: repr(round(x, 3)))
)
arithmetic = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"-{t}"),
        # Of other powers Python makes complex numbers, and there are none here.
        inner.map(lambda t: f"{t} ** 2"),
        inner.map(lambda t: f"abs({t})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
    ),
    max_leaves=6,
)
comparison = st.tuples(
    arithmetic, st.lists(st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), arithmetic), min_size=1, max_size=2)
).map(lambda t: f"({t[0]} {' '.join(f'{op} {side}' for op, side in t[1])})")
conditions = st.recursive(
    comparison,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"(not {t})"),
    ),
    max_leaves=4,
)


def in_python(text):
    """Returns what Python makes of a text that was generated here, None where floats have no answer."""
    floats = {"__builtins__": {}, "abs": abs, "min": min, "max": max, **NUMBERS}
    try:
        return float(eval(text, floats))
    except (ZeroDivisionError, OverflowError):
        return None


@settings(max_examples=300)
@given(arithmetic)
def test_arithmetic_is_pythons(text):
    wanted = in_python(text)
    value = float(compute(text).array)
    # A remainder or a floor may fall on either side of a whole number where floats are rounded differently.
    assert wanted is None or value == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@settings(max_examples=100)
@given(conditions.filter(lambda text: "**" not in text and "//" not in text and "%" not in text))
def test_conditions_are_pythons(text):
    wanted = in_python(text)
    if wanted is not None:
        assert is_true(text) == wanted


PARTS = st.sampled_from(
    [*"()[]{},.:+-*/<>=!'\"@ \\", "ego", "a", "1", "lambda", "import", "__class__", "for", "if", "else", "min(", "\n", "é"]
)


@settings(max_examples=400)
@given(st.lists(PARTS, max_size=12).map("".join))
def test_any_text_is_a_value_or_an_error_of_ours(text):
    try:
        compute(text)
    except ExpressionError as error:
        assert "expression" in str(error)


INJECTIONS = [
    "__import__('os').system('touch hacked')", "().__class__.__bases__", "ego.tofile('hacked')", "ego.__class__", "(lambda: 1)()", "[x for x in ego]",
    "{1: 2}", "{1}", "(1, 2)", "f'{a}'", "(x := 3) > 1", "min(*ego)", "min(ego, key=abs)", "open('hacked')", "eval('1')", "getattr(ego, 'T')",
    "1 if a else 2", "a is b", "a in ego", "a @ b", "a << b", "a & b", "~a", "1j", "b'x'", "None", "...", "ego[a]", "ego[ego]", "ego[1:2:3]", "ego[None]",
    "ego[True]", "[1]", "['a', 'b']", "text(a)", "text('a', 'b')", "await a", "yield", "a; b", "a = 1", "min", "abs", "import os", "",
    "(" * 300 + "1" + ")" * 300, "1" + "+1" * 600, "-" * 3000 + "1", "a\nb", "x" * 5000, "'" + "\x00" + "'",
]  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS, ids=range(len(INJECTIONS)))
def test_what_is_not_of_the_language_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExpressionError):
        compute(text)
    assert not list(tmp_path.iterdir())


def test_huge_powers_end_at_once():
    assert np.isinf(compute("9**9**9**9").array)
    with pytest.raises(ExpressionError, match="beyond float64"):
        compute("1" + "0" * 400)


def test_rows_meet_rows_and_elements_meet_elements():
    exact, position = ROWS.astype(np.float64), NAMES["objects/position"].array.astype(np.float64)
    same = [
        ("norm(ego - goal)", [np.linalg.norm(row - NAMES["goal"].array) for row in exact]),
        ("reward * ego", exact * np.arange(6)[:, None]),
        ("reward * goal", np.arange(6)[:, None] * NAMES["goal"].array),
        ("norm(ego) * 'objects/position'", position * np.linalg.norm(exact, axis=1)[:, None, None]),
        ('["objects/position"][2, 1]', position[:, 2, 1]),
        ("ego[-1]", exact[:, -1]),
        ("ego[1:][0]", exact[:, 1]),
        ("diff(ego)", np.diff(exact, axis=0, prepend=exact[:1])),
        ("first(ego) - last(ego)", exact[0] - exact[-1]),
        ("max(reward, 2) >= 3", np.maximum(np.arange(6), 2) >= 3),
        ("bytes - 1", [[-1, 254]] * 6),
        ("note == text('left')", [True] * 6),
    ]
    for text, wanted in same:
        assert np.allclose(compute(text).array, wanted), text
    for text, wanted in (("max(abs(ego))", np.abs(exact).max()), ("std(ego[0])", exact[:, 0].std()), ("mean(bytes)", 127.5)):
        assert float(compute(text).array) == pytest.approx(wanted), text
    assert np.allclose(compute("max(ego)", each_row=True).array, exact.max(axis=1))
    assert is_true("all(finite(ego)) and not any(ego > 100)") and not is_true("any(note == text('right'))")


MESSAGES = [
    ("a and eggo > 1", "column 7: no name 'eggo' (did you mean 'ego'?); expected one of a, b, c, ego, goal, objects/position, reward, bytes, note", 6),
    ("objects/position > 1", "column 1: no name 'objects'", 0),
    ("a and ego > 1", "column 7: 'ego > 1' is shape (T, 3), not one truth value; expected one\n  try: any(...) or all(...) around it", 6),
    ("1 < maxi(ego)", "column 5: no function 'maxi' (did you mean 'max'?)", 4),
    ("max(ego - reward) > ego[7]", "column 21: 'ego[7]' of shape (T, 3); expected an element that is there", 20),
    ("a > 0 and max(ego + bytes) > 1", "column 15: 'ego + bytes': shape (T, 3) and shape (T, 2); expected elements that fit one another", 14),
    ("note > 1", "column 1: 'note > 1' compares text", 0),
    ("first(goal) > 1", "column 1: 'goal' has no rows", 0),
    ("a > ", "column ", None),
    ("'é' == a or b.x > 1", "column 13: 'b.x' is not allowed", 12),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told", "column"), MESSAGES)
def test_messages_point_at_the_column(text, told, column):
    with pytest.raises(ExpressionError) as caught:
        expression = Expression(text, "--where")
        expression.check_names(NAMES)
        expression.is_true(NAMES.__getitem__)
    assert f"--where: {told}" in str(caught.value) and caught.value.exit_status == 2
    if column is not None:
        assert caught.value.__notes__ == [text, " " * column + "^"]
