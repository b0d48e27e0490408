import functools
import json

import numpy as np
from attrdict import AttrDict as d
from example_classes import Chain, Data, Free, Other, World, bc_rnn, double

from configs.fields import Field, replace
from configs.loading import resolve_export


def rows(export, *args):
    return {path: (value, origin) for path, value, origin in resolve_export(export, args)[1].get_origins()}


def test_each_value_says_where_it_came_from():
    found = rows(
        bc_rnn(), "--seed", "3", "%dataset_train", "--batch_size", "8", "%model", "%%action_decoder", "--rnn_type", "gru"
    )
    assert found["seed"] == (3, "command line")
    assert found["device"] == ("cuda", "recipe")
    assert found["model/device"] == ("cuda", "field")
    assert found["dataset_train/horizon"] == (10, "field")
    assert found["dataset_train/batch_size"] == (8, "command line")
    assert found["dataset_train/load_episode_range"] == ([0.0, 0.9], "recipe")
    assert found["dataset_train/dt"] == (0.1, "class default")
    assert found["model/action_decoder/rnn_type"] == ("gru", "command line")
    assert found["model/action_decoder/dropout"] == (0.0, "class default")


def test_origins_of_nested_values_defaults_and_sources():
    export = d(
        env=d(cls=World),
        g=d(cls=Free, opt=d(a=1, b=2), table=Field("opt", dict), empty=d()),
        model=replace(d(cls=Other, width=3)),
    )
    found = rows(export, "%g", "--opt/b", "5", "%env", "example_classes.World", "--imgs", "%new", "example_classes.Chain")
    assert found["g/opt/a"] == (1, "recipe")
    assert found["g/opt/b"] == (5, "command line")
    assert found["g/table/b"] == (5, "field")
    assert found["g/empty"] == ({}, "recipe")
    assert found["env/noise"] == (0.5, "default_params")
    assert found["env/imgs"] == (True, "command line")
    assert found["env/cls"] == (World, "command line")
    assert found["model/width"] == (3, "recipe")
    assert found["new/width"] == (5, "default_params")
    assert found["new/half"] == (2.5, "field")
    assert found["new/link_0/width"] == (7, "process_params")
    assert found["new/cls"][1] == "command line"


def test_the_rows_are_all_values_of_params():
    params, root = resolve_export(bc_rnn())
    assert {path: value for path, value, _ in root.get_origins()} == dict(params.leaf_items())


def test_the_resolved_tree_is_json():
    export = d(
        array=np.arange(3), number=np.float32(0.5), infinite=float("inf"), pair=(1, 2), some={3, 1}, cls_value=Other, fn=double, bound="{}".format,
        part=functools.partial(double, 2), thing=Free(), dtype=np.dtype("float32"), table={1: "a"}, name=lambda: None, nothing=None, chain=Chain, data=d(cls=Data, horizon=Field("pair", sum)),
    )  # fmt: skip
    _, root = resolve_export(export)
    tree = root.get_resolved_json()
    assert json.loads(json.dumps(tree, allow_nan=False)) == tree
    assert tree["array"] == [0, 1, 2]
    assert (tree["number"], tree["infinite"], tree["pair"], tree["some"]) == (0.5, "inf", [1, 2], [1, 3])
    assert (tree["cls_value"], tree["fn"], tree["thing"]) == (
        "example_classes.Other",
        "example_classes.double",
        "example_classes.Free",
    )
    assert tree["part"] == {"partial": "example_classes.double", "args": [2], "keywords": {}}
    assert tree["dtype"] == "dtype('float32')"
    assert tree["table"] == {"1": "a"}
    assert tree["chain"]["cls"] == "example_classes.Links"
    assert tree["data"]["horizon"] == 3
