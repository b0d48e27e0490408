import pytest
from attrdict import AttrDict as d
from example_classes import Data, Decoder, Free, Group, Other, World

from configs.errors import AnchorError, CycleError, FunctionError, ReplacementError, WrongTypeError
from configs.fields import Field, replace
from configs.loading import resolve_export


def values(export, *args):
    return resolve_export(export, args)[0]


def test_a_field_follows_its_anchor_on_the_command_line():
    export = d(horizon=10, g=d(cls=Data, horizon=Field("horizon")))
    assert values(export).g.horizon == 10
    assert values(export, "--horizon", "3").g.horizon == 3


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [("n", 2), ("../n", 1), ("h/n", 3), ("../h/n", 3), ("inner/n", 4), ("flat/deep", 5), ("../flat/n", 6)],
)
def test_where_an_anchor_is_looked_up(anchor, expected):
    group = d(cls=Free, m=Field(anchor), n=2, inner=d(cls=Free, n=4), flat=d(deep=5))
    export = d(n=1, g=group, h=d(cls=Free, n=3), flat=d(n=6))
    assert values(export).g.m == expected


def test_own_values_come_before_the_roots():
    export = d(n=1, g=d(cls=Free, n=2, m=Field("n")))
    assert values(export, "--n", "7").g.m == 2
    assert values(export, "%g", "--n", "7").g.m == 7


def test_an_anchor_of_the_same_name_means_the_nearest_above():
    inner = d(cls=Free, n=Field("n"))
    assert values(d(n=1, g=d(cls=Free, inner=inner))).g.inner.n == 1
    assert values(d(n=1, g=d(cls=Free, n=2, inner=inner))).g.inner.n == 2
    assert values(d(n=1, g=d(cls=Free, n=Field("n"), inner=inner)), "--n", "5").g.inner.n == 5


def test_fields_stand_on_fields_in_any_order():
    export = d(a=Field("b", lambda b: b + 1), b=Field("g/c", lambda c: 10 * c), g=d(cls=Free, c=Field("h/x")), h=d(cls=Free, x=2))
    assert values(export).a == 21
    assert values(export, "%h", "--x", "3").a == 31


def test_several_anchors_and_class_defaults():
    export = d(names=["a"], g=d(cls=Data, names=Field(["../names", "file"], lambda names, file: [*names, file])))
    assert values(export, "%g", "--file", "f").g.names == ["a", "f"]


def test_setting_a_field_replaces_it():
    export = d(n=1, xs=[1, 2], on=False, m=Field("n"), ys=Field("xs"), off=Field("on"), g=d(cls=Data, batch_size=Field("n")))
    assert values(export, "--n", "2", "%g", "--batch_size", "8").g.batch_size == 8
    out = values(export, "--m", "5", "--ys", "7", "--off")
    assert (out.m, out.ys, out.off, out.n) == (5, [7], True, 1)
    assert values(export, "--no-off").off is False


def test_a_field_in_nested_dicts_and_lists():
    export = d(n=1, opt=d(lr=Field("n", lambda n: n / 2), n=9), items=[Field("n"), d(x=Field("opt/lr"))])
    out = values(export, "--n", "4")
    assert out.opt.lr == 2.0
    assert out["items"][0] == 4
    assert out["items"][1].x == 2.0


def test_a_field_may_copy_a_whole_group():
    export = d(env_train=d(cls=Free, noise=0.5, inner=d(cls=World, noise=Field("n"))), env_holdout=Field("env_train"), n=1)
    out = values(export, "%env_train", "--noise", "0.25")
    assert out.env_holdout == out.env_train
    assert out.env_holdout.noise == 0.25
    assert out.env_holdout is not out.env_train
    assert out.env_holdout.inner.noise == 1.0
    assert values(d(**export, m=Field("env_holdout/inner/noise"))).m == 1


def test_a_function_sees_a_view_of_a_group():
    seen = {}

    def look(group):
        seen.update(
            keys=sorted(group.keys()), n=group.inner.n, path=group["inner/n"], got=group.get("nothing", 3), has="noise" in group
        )
        return {key: value for key, value in group.leaf_items() if key != "cls" and not key.endswith("/cls")}

    out = values(d(g=d(cls=World, inner=d(cls=Free, n=Field("n"))), n=1, summary=Field("g", look)))
    assert seen == {"keys": ["cls", "imgs", "inner", "noise"], "n": 1, "path": 1, "got": 3, "has": True}
    assert out.summary == {"inner/n": 1, "noise": 0.5, "imgs": False}


def test_what_a_function_does_to_its_values_stays_with_it():
    names = ["a"]

    def grow(values):
        values.append("b")
        return values

    export = d(names=names, more=Field("names", grow), same=Field("names"))
    out = values(export)
    assert (out.more, out.same, out.names, names) == (["a", "b"], ["a"], ["a"], ["a"])
    out.same.append("c")
    assert out.names == ["a"]


@pytest.mark.parametrize(
    "write", [lambda g: g.update(x=1), lambda g: g.pop("x"), lambda g: setattr(g, "x", 2), lambda g: g.inner.clear()]
)
def test_a_view_cannot_be_written(write):
    with pytest.raises(FunctionError, match="cannot be written here"):
        values(d(g=d(cls=Free, x=1, inner=d(y=1)), n=Field("g", write)))


def test_a_view_is_printed_compared_and_copied_as_its_values():
    def look(group):
        mine = group.copy()
        mine.x += 1
        return [str(group), group == d(cls=Free, x=1, inner=d(y=2)), mine]

    text, equal, mine = values(d(n=2, g=d(cls=Free, x=1, inner=d(y=Field("n"))), seen=Field("g", look))).seen
    assert "y=2" in text
    assert equal
    assert mine.x == 2


def test_a_cycle_prints_itself():
    export = d(a=Field("g/b"), g=d(cls=Free, b=Field("../c")), c=Field("a"))
    with pytest.raises(CycleError) as error:
        values(export)
    assert str(error.value) == "a: fields wait for one another: a -> g/b -> c -> a"


@pytest.mark.parametrize(
    ("export", "message"),
    [
        (d(horizon=1, g=d(cls=Free, n=Field("horizn"))), "g/n: Field('horizn') finds no such value; did you mean 'horizon'?"),
        (d(n=Field("n")), "n: Field('n') finds nothing of its own name above"),
        (d(n=Field("../../x")), "n: Field('../../x') climbs above the root"),
        (d(n=Field("g/x/y"), g=d(cls=Free, x=1)), "n: Field('g/x/y') finds no such value; did you mean 'g/x'?"),
    ],
)
def test_anchors_that_lead_nowhere(export, message):
    with pytest.raises(AnchorError) as error:
        values(export)
    assert str(error.value) == message


def test_functions_that_raise_and_wrong_types():
    with pytest.raises(FunctionError) as error:
        values(d(a=0, g=d(cls=Free, b=Field("a", lambda a: 1 / a))))
    assert str(error.value) == "g/b: Field('a', <lambda>) raised ZeroDivisionError: division by zero"
    with pytest.raises(WrongTypeError) as error2:
        values(d(a="x", g=d(cls=Data, horizon=Field("a"))))
    assert str(error2.value) == "g: option 'horizon' is 'x' (str); expected int"
    assert values(d(a=3, g=d(cls=Data, dt=Field("a")))).g.dt == 3.0


@pytest.mark.parametrize("args", [((),), (3,), ("a", 3), (["a", ""],)])
def test_a_field_needs_paths_and_a_function(args):
    with pytest.raises(TypeError):
        Field(*args)


def test_merging_keeps_the_old_options_and_replacing_drops_them():
    base = d(model=d(cls=Group, model_order=["dec"], dec=d(cls=Decoder, hidden_size=3)))
    merged = values(base & d(model=d(normalize=False)))
    assert merged.model.dec.hidden_size == 3
    other = base & d(model=replace(d(cls=Other, width=4)))
    assert set(values(other).model) == {"cls", "width"}
    assert values(other & d(model=other.model & d(width=5))).model.width == 5
    assert values(other, "%model", "--width", "6").model.width == 6
    assert base.model.dec.hidden_size == 3
    with pytest.raises(TypeError):
        replace(d(width=4))
    with pytest.raises(ReplacementError) as error:
        base.model & replace(d(cls=Other))
    assert str(error.value) == (
        "replace(...): stands on the right of & itself; expected it under the group's name\n  try: base & d(model=replace(d(cls=..., ...)))"
    )
