import pytest
from attrdict import AttrDict as d

from muse.utils.abstract import Argument, BaseClass, build, own_options, resolve_arguments
from muse.utils.errors import OptionError


class Example(BaseClass):
    predefined_arguments = [
        Argument("batch_size", type=int, default=100, help="windows in a batch"),
        Argument("rate", type=float, default=1.0),
        Argument("names", type=list, default=["a"]),
        Argument("model_order", type=list, default=[]),
        Argument("mode", type=str, default="sync", choices=("sync", "process")),
        Argument("fn"),
    ]

    def __init__(self, params, extra=None):
        self.read_predefined_params(params)
        self.extra = extra


class Needy(BaseClass):
    predefined_arguments = [Argument("horizon", type=int, required=True, help="rows in a window")]

    def __init__(self, params):
        self.read_predefined_params(params)


class Free(BaseClass):
    def __init__(self, params):
        self.read_predefined_params(params)
        self.params = params


def test_values_come_from_params_then_defaults():
    example = Example(d(batch_size=3))
    assert (example.batch_size, example.rate, example.mode, example.fn) == (3, 1.0, "sync", None)


def test_defaults_are_not_shared_between_instances_or_changed_by_reading():
    first, second = Example({}), Example({"names": ["b"]})
    first.names.append("x")
    assert Example({}).names == ["a"] and second.names == ["b"]
    assert Example.get_predefined_arguments()["names"].default == ["a"]


def test_reading_changes_no_params():
    params = d(batch_size=3)
    Example(params)
    assert list(params) == ["batch_size"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"batch_sise": 3},
            "Example: no option 'batch_sise' (did you mean 'batch_size'?); expected one of batch_size, fn, mode, model_order, names, rate",
        ),
        ({"batch_size": 0.5}, "Example option 'batch_size': 0.5 (float); expected int"),
        ({"batch_size": True}, "Example option 'batch_size': True (bool); expected int"),
        ({"rate": "1"}, "Example option 'rate': '1' (str); expected float"),
        ({"mode": "both"}, "Example option 'mode': 'both'; expected one of 'sync', 'process'"),
    ],
)
def test_wrong_options_say_what_is_wrong(params, message):
    with pytest.raises(OptionError) as info:
        Example(params)
    assert str(info.value) == message
    assert info.value.exit_status == 2


def test_a_required_option_must_be_given():
    with pytest.raises(OptionError, match="Needy: no option 'horizon'; expected a value for it \\(rows in a window\\)"):
        Needy({})
    assert Needy({"horizon": 2}).horizon == 2


def test_an_int_becomes_a_float_and_none_stays():
    assert Example({"rate": 3}).rate == 3.0 and isinstance(Example({"rate": 3}).rate, float)
    assert Example({"rate": None}).rate is None


def test_a_class_that_declares_nothing_takes_anything():
    assert Free({"what": 1}).params["what"] == 1


def test_groups_named_in_a_declared_list_are_known():
    group = d(cls=Free, x=1)
    assert Example(d(model_order=["encoder"], encoder=group)).model_order == ["encoder"]
    with pytest.raises(OptionError, match="encoder"):
        Example(d(encoder=group))


def test_an_argument_whose_default_contradicts_its_type_is_refused():
    with pytest.raises(OptionError, match="default of option 'x'"):
        Argument("x", type=int, default="a")
    with pytest.raises(OptionError, match="not an identifier"):
        Argument("x-y")


def test_build_takes_the_declared_part_and_says_where_it_failed():
    built = build(d(cls=Example, batch_size=4, helper_value=1, exp_name="b"), where="model", extra=5)
    assert (built.batch_size, built.extra) == (4, 5)
    with pytest.raises(OptionError) as info:
        build(d(cls=Example, batch_size="x"), where="model/decoder")
    assert any("while building 'model/decoder'" in note for note in info.value.__notes__)
    with pytest.raises(OptionError, match="model: no 'cls'"):
        build(d(batch_size=4), where="model")


def test_of_an_argument_given_twice_the_last_wins():
    joined = resolve_arguments([Argument("a", type=int, default=1)], [Argument("a", type=int, default=2)])
    assert [a.default for a in joined] == [2]


def test_own_options_leave_out_what_the_class_does_not_take():
    group = d(cls=Example, exp_name="_x", helper=1, rate=2.0, model_order=["part"], part=d(cls=Needy, horizon=3))
    assert set(own_options(group)) == {"rate", "model_order", "part"}
    assert own_options(d(cls=Free, exp_name="_x", anything=1)) == {"anything": 1}
