import copy

import numpy as np
import pytest
from attrdict import AttrDict as d
from example_classes import BC_RNN_NAME, ROOT_KEYS, Chain, Data, Decoder, Free, Group, Links, Needs, Other, World, bc_rnn, double
from hypothesis import given
from hypothesis import strategies as st

from configs.config_node import ConfigNode
from configs.errors import ConfigError, FunctionError, MergeError, UnknownKeyError
from configs.fields import Field
from configs.loading import resolve_export
from muse.utils.abstract import Argument, known_names


def values(export, text="", reads=None):
    return resolve_export(export, text.split(), reads)[0]


def name(export, text=""):
    return resolve_export(export, text.split())[1].get_exp_name()


# Options.


class Silent:
    """Declares nothing, as the optimisers of torch do."""

    def __init__(self, subject, rate: float = 0, steps: "int" = 1, names=("a", "b"), mode=None, *, size: int, **rest):
        pass


def test_scalar_keywords_of_a_class_that_declares_nothing_are_offered_and_not_filled_in():
    export = d(group=d(cls=Silent))
    assert values(export)["group"] == d(cls=Silent)
    text = "%group --rate 0.5 --steps 3 --names x --size 4"
    assert dict(values(export, text)["group"]) == {"cls": Silent, "rate": 0.5, "steps": 3, "names": ["x"], "size": 4}
    with pytest.raises(ConfigError, match="no option '--mode'"):
        values(export, "%group --mode 1")


def test_params_hold_declared_options_with_class_defaults_and_helper_values():
    params = values(bc_rnn(), reads=ROOT_KEYS)
    assert params.model.action_decoder == d(
        cls=Decoder, exp_name=params.model.action_decoder.exp_name, rnn_type="lstm", hidden_size=400, use_policy_dist=False,
        policy_size=0, policy_num_mix=1, use_tanh_out=True, dropout=0.0,
    )  # fmt: skip
    assert params.dataset_train.file == "data/hvsBlock3D/human_square_30k.npz"
    assert "cls" not in params


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("--batch_size 64", "dataset_train/batch_size", 64),
        ("%model --use_policy_dist", "model/action_decoder/use_policy_dist", True),
        ("%model --no-normalize", "model/normalize", False),
        ("%model --no_normalize", "model/normalize", False),
        ("%model %%action_decoder --no_use_tanh_out", "model/action_decoder/use_tanh_out", False),
        ("%dataset_train --batch_size 8", "dataset_train/batch_size", 8),
        ("%dataset_train --load_episode_range 0 0.5", "dataset_train/load_episode_range", [0.0, 0.5]),
        ("%dataset_train --max_rows 5", "dataset_train/max_rows", 5),
        ("%dataset_train --dt 1", "dataset_train/dt", 1.0),
        ("%model --device cpu %dataset_train --dt 1 %model --use_policy_dist", "model/device", "cpu"),
    ],
)
def test_the_command_line_reaches_its_group(text, path, value):
    found = values(bc_rnn(), text)[path]
    assert found == value
    assert type(found) is type(value)


def test_local_values_are_options_too():
    export = d(
        g=d(cls=Free, n=1, x=0.5, s="a", on=True, opt=d(lr=1e-3, deep=d(betas=[0.9, 0.99])), mixed=[1, 0.5], fn=double, none=None)
    )
    out = values(export, "%g --n 2 --x 1 --s b --no-on --opt/lr 1e-4 --opt/deep/betas 0 1 --mixed 2 3").g
    assert (out.n, out.x, out.s, out.on, out.opt.lr, out.opt.deep.betas, out.mixed) == (
        2,
        1.0,
        "b",
        False,
        1e-4,
        [0.0, 1.0],
        [2.0, 3.0],
    )
    assert out.fn is double
    for flag in ("--fn", "--none", "--cls"):
        with pytest.raises(ConfigError, match="no option"):
            values(export, f"%g {flag} 3")


def test_a_recipes_int_becomes_the_declared_float():
    assert values(d(g=d(cls=Data, dt=1))).g.dt == 1.0
    assert isinstance(values(d(g=d(cls=Data, dt=1))).g.dt, float)


def test_the_default_params_of_a_class_come_before_its_arguments():
    _, root = resolve_export(d(env=d(cls=World)))
    assert ("env/noise", 0.5, "default_params") in root.get_origins()
    assert ("env/imgs", False, "class default") in root.get_origins()
    assert values(d(env=d(cls=World, noise=0.0))).env.noise == 0.0


def test_of_a_name_declared_twice_the_last_counts():
    class Wider(Data):
        predefined_arguments = (
            Data.predefined_arguments + Other.predefined_arguments + [Argument("horizon", type=float, default=2.5)]
        )

    assert values(d(g=d(cls=Wider))).g.horizon == 2.5
    assert values(d(g=d(cls=Wider)), "%g --horizon 0.5").g.horizon == 0.5


def test_a_required_option_is_absent_until_it_is_given():
    assert "size" not in values(d(g=d(cls=Needs))).g
    assert values(d(g=d(cls=Needs)), "%g --size 3").g.size == 3


# The same config again and again.


def test_resolving_changes_neither_classes_nor_the_exported_tree():
    export = bc_rnn()
    before = copy.deepcopy(export.toDict())
    arguments = [vars(argument).copy() for argument in Group.predefined_arguments + Decoder.predefined_arguments]
    first = values(export, "%model --no-normalize --model_order action_decoder %%action_decoder --hidden_size 9")
    second = values(export)
    assert (first.model.normalize, second.model.normalize) == (False, True)
    assert second == values(export)
    assert repr(export.toDict()) == repr(before)
    assert arguments == [vars(argument) for argument in Group.predefined_arguments + Decoder.predefined_arguments]


def test_two_groups_of_one_class_share_nothing():
    data = d(cls=Data, names=["x"])
    params = values(d(a=data, b=data), "%a --batch_size 5 --names y z")
    assert (params.a.batch_size, params.b.batch_size, params.b.names) == (5, 1, ["x"])
    params.b.names.append("w")
    assert data.names == ["x"]


def test_params_are_a_deep_copy_and_classes_are_not_copied():
    array = np.zeros(3)
    export = d(g=d(cls=Free, array=array, nested=d(items=[[1], (2,)]), table={1: [2]}, shapes={"a/b": 3}))
    _, root = resolve_export(export)
    first, second = root.get_params(), root.get_params()
    first.g.array[0] = 1
    first.g.nested["items"][0].append(3)
    assert array[0] == 0
    assert second.g.nested["items"] == [[1], (2,)]
    assert second.g.table == {1: [2]}
    assert list(second.g.shapes) == ["a/b"]
    assert first.g.cls is Free


# Groups.


def test_sub_groups_named_in_a_declared_list_are_known_and_others_are_not():
    good = d(m=d(cls=Group, model_order=["dec"], dec=d(cls=Decoder)))
    assert values(good).m.dec.hidden_size == 200
    bad = d(m=d(cls=Group, model_order=["dec"], decc=d(cls=Decoder)))
    with pytest.raises(UnknownKeyError) as error:
        values(bad)
    assert str(error.value).startswith("m: no group 'decc'; did you mean 'dec'?")


def test_groups_inside_nested_dicts_have_their_path_as_name():
    export = d(t=d(cls=Free, trackers=d(returns=d(cls=Data, file="a"))))
    params, root = resolve_export(export, ["%t", "%%trackers/returns", "--dt", "2"])
    assert params.t.trackers.returns.dt == 2.0
    assert ("t/trackers/returns/dt", 2.0, "command line") in root.get_origins()


def test_a_class_that_declares_nothing_is_not_checked():
    assert values(d(g=d(cls=Free, anything=object))).g.anything is object


# Known and unknown keys.


def test_keys_read_by_fields_names_and_scripts_are_known():
    export = d(
        helper=3, named=4, seen=5, wild_1=6, exp_name="n{named}",
        g=d(cls=Other, size=2, width=Field("size"), extra="x", exp_name=lambda params, full: f"{params.extra}{full['seen']}"),
        h=d(cls=Data, horizon=Field("../helper")),
    )  # fmt: skip
    params, root = resolve_export(export, (), reads=("g", "h", "wild_*"))
    assert root.get_exp_name() == "n4x5"
    assert params.g.width == 2


@pytest.mark.parametrize(
    ("export", "message"),
    [
        (d(m=d(cls=Decoder, hiden_size=3)), "m: no option 'hiden_size'; did you mean 'hidden_size'?"),
        (
            d(m=d(cls=Group, model_order=["action_decoder"], action_decoder=d(cls=Decoder, hiden_size=3))),
            "m/action_decoder: no option 'hiden_size'; did you mean 'hidden_size'?",
        ),
        (d(m=d(cls=Other), batch_sze=3), "root: no option 'batch_sze'; did you mean 'batch_size'?"),
        (d(m=d(cls=Other), dataset_tain=d(cls=Data)), "root: no group 'dataset_tain'; did you mean 'dataset_train'?"),
        (d(m=d(cls=Other, zzz=1)), "m: no option 'zzz'; there are: width"),
    ],
)
def test_unknown_keys(export, message):
    with pytest.raises(UnknownKeyError) as error:
        values(export, reads=("m", "batch_size", "dataset_train"))
    assert str(error.value) == message


def test_copying_a_whole_group_reads_none_of_its_keys():
    export = d(a=d(cls=Other, widht=3), b=Field("a"))
    with pytest.raises(UnknownKeyError):
        values(export)


def test_a_function_that_looks_at_a_group_reads_what_it_looks_at():
    export = d(a=d(cls=Other, helper=3, typo=4), n=Field("a", lambda a: a.helper))
    with pytest.raises(UnknownKeyError, match="'typo'"):
        values(export)


@given(
    st.lists(st.sampled_from(["model_order", "normalize", "dec", "enc", "other", "exp_name", "normalise"]), unique=True),
    st.sets(st.sampled_from(["dec", "enc", "other"])),
)
def test_the_keys_that_are_known_are_those_that_muse_takes(keys, order):
    given = {
        "model_order": sorted(order),
        "normalize": True,
        "dec": d(cls=Decoder),
        "enc": d(cls=Free),
        "other": 3,
        "exp_name": "x",
        "normalise": 1,
    }
    group = d(cls=Group, **{key: given[key] for key in keys})
    if set(group) <= known_names(Group, group):
        values(d(g=group))
    else:
        with pytest.raises(UnknownKeyError):
            values(d(g=group))


# Names.


def test_the_name_of_the_example():
    assert name(bc_rnn()) == BC_RNN_NAME == "hvsBlock3D/velact_b256_h10_human_square_30k_bc-l2_lstm-hs400-ps0"


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("%model %%action_decoder --hidden_size 1000", "velact_b256_h10_human_square_30k_bc-l2_lstm-hs1000-ps0"),
        ("--batch_size 64", "velact_b64_h10_human_square_30k_bc-l2_lstm-hs400-ps0"),
        ("--device cpu --seed 3", "velact_s3_b256_h10_human_square_30k_bc-l2_lstm-hs400-ps0"),
        ("--extra_exp_name _foo", "human_square_30k_foo_bc-l2_lstm-hs400-ps0"),
        ("%model --extra_exp_name _foo", "_bc-l2_foo_lstm-hs400-ps0"),
        ("%model --use_policy_dist", "_lstm-hs400-ps0-pd1"),
        ("%model --use_policy_dist %%action_decoder --policy_num_mix 5 --hidden_size 1000", "_lstm-hs1000-ps0-pd5"),
        ("%model --exp_name _new{device} %%action_decoder --exp_name _x{dropout}", "human_square_30k_newcuda_x0_0"),
        ("%dataset_train --exp_name _d", "human_square_30k_d_bc-l2_lstm-hs400-ps0"),
    ],
)
def test_names_follow_the_command_line(text, end):
    assert name(bc_rnn(), text).endswith(end)


def test_exp_name_takes_effect():
    assert name(bc_rnn(), "--exp_name bar") == "bar_bc-l2_lstm-hs400-ps0"


def test_a_name_reads_sub_groups_and_a_function_sees_all():
    export = d(
        a=d(cls=Free, inner=d(cls=Free, n=2), exp_name="i{inner/n}"),
        b=d(cls=Free, exp_name=lambda params, full: f"-{full.a.inner.n}"),
    )
    assert name(export) == "i2-2"


# Programmatic configs.


def test_a_programmatic_config_adds_options_values_and_groups():
    params, root = resolve_export(
        d(chain=Chain), ["%chain", "--length", "3", "--link_width", "4", "--width", "6", "%%link_2", "--width", "8"]
    )
    assert params.chain.half == 3.0
    assert [params.chain[f"link_{i}"].width for i in range(3)] == [4, 4, 8]
    assert params.chain.cls is Links
    assert root.get_exp_name() == "_chain3"


def test_a_programmatic_config_as_the_root():
    params, root = resolve_export(Chain, ["--length", "1"], reads=())
    assert params.link_0.width == 7
    origins = {path: origin for path, _, origin in root.get_origins()}
    assert origins["length"] == "command line"
    assert origins["width"] == "default_params"
    assert origins["link_width"] == "class default"
    assert origins["half"] == "field"
    assert origins["link_0/width"] == "process_params"


def test_keys_of_a_programmatic_config_are_checked():
    class Mistaken(Chain):
        default_params = Chain.default_params & d(wdith=4)

    with pytest.raises(UnknownKeyError) as error:
        values(d(chain=Mistaken))
    assert str(error.value) == "chain: no option 'wdith'; did you mean 'width'?"


def test_skipped_options_of_a_class_are_no_options():
    class Skipping(ConfigNode):
        default_cls = Data
        default_cls_skip_args = ["horizon"]

        def process_params(self, params):
            params.horizon = 2 * params.batch_size

    assert values(d(g=Skipping), "%g --batch_size 4").g.horizon == 8
    with pytest.raises(ConfigError, match="no option '--horizon'"):
        values(d(g=Skipping), "%g --horizon 4")


def test_process_params_changes_no_group_of_the_recipe():
    inner = d(cls=Other, width=1)

    class Widening(ConfigNode):
        default_params = d(inner=inner)

        def process_params(self, params):
            params.inner.width += 1
            return params

    assert values(d(g=Widening)).g.inner.width == 2
    assert values(d(g=Widening)).g.inner.width == 2
    assert inner.width == 1


def test_a_subclass_is_extended_by_subclassing():
    class Longer(Chain):
        default_params = Chain.default_params & d(length=4)

        def process_params(self, params):
            params = super().process_params(params)
            params.link_3.width = 1
            return params

    params = values(d(chain=Longer))
    assert [params.chain[link].width for link in params.chain.links] == [7, 7, 7, 1]


@pytest.mark.parametrize("merge", [lambda: d(x=1) & Chain, lambda: Chain & d(x=1)])
def test_merging_with_a_programmatic_config_is_an_error(merge):
    with pytest.raises(MergeError) as error:
        merge()
    assert (
        str(error.value)
        == "Chain: a ConfigNode cannot be merged with &\n  try: a subclass: class Mine(Chain): default_params = Chain.default_params & d(...)"
    )


def test_process_params_that_raises():
    class Broken(ConfigNode):
        def process_params(self, params):
            return params.nothing

    with pytest.raises(FunctionError, match=r"^g: process_params raised AttributeError"):
        values(d(g=Broken))


def test_a_field_is_no_class():
    with pytest.raises(ConfigError) as error:
        values(d(g=d(cls=Field("other"))))
    assert str(error.value).startswith("g: 'cls' is a Field; expected a class")


def test_a_source_may_take_the_place_of_none_and_of_a_field():
    export = d(g=d(cls=Free, reward=None), a=d(cls=Other), b=Field("a"))
    params = values(export, "%g %%reward example_classes.Other --width 3 %b example_classes.Data")
    assert (params.g.reward.width, params.b.cls) == (3, Data)
