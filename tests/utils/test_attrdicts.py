import numpy as np
from attrdict import AttrDict
from hypothesis import given
from hypothesis import strategies as st

from muse.utils.attrdicts import apply, flatten, has, nest, node_of

part = st.sampled_from(["a", "b", "c", "items", "keys"])
paths = st.lists(part, min_size=1, max_size=3).map("/".join)


def without_clashes(names):
    kept = []
    for name in names:
        if all(name != k and not name.startswith(k + "/") and not k.startswith(name + "/") for k in kept):
            kept.append(name)
    return kept


@given(st.lists(paths, max_size=6).map(without_clashes))
def test_nest_and_flatten_are_inverse(names):
    flat = {name: np.full(2, i) for i, name in enumerate(names)}
    back = flatten(nest(flat))
    assert set(back) == set(flat)
    assert all(back[name] is flat[name] for name in names)


@given(st.sets(st.sampled_from("abc")))
def test_a_node_of_leaves_is_an_attrdict_like_any_other(names):
    leaves = {name: i for i, name in enumerate(sorted(names))}
    node, other = node_of(leaves), node_of({})
    assert type(node) is AttrDict and vars(node) == vars(nest(leaves))
    node["x/y"], node.z = 3, 4
    assert (node.x.y, node["z"]) == (3, 4) and len(node) == len(leaves) + 2
    assert "x" not in leaves and not other and not node_of({})


def test_has_knows_leaves_nodes_and_empty_nodes():
    nested = nest({"objects/position": 1, "ego": 2})
    assert has(nested, "objects/position") and has(nested, "objects") and has(nested, "ego")
    assert not has(nested, "objects/size") and not has(nested, "ego/x") and not has(nested, "objects/position/x")
    assert not has(AttrDict(empty=AttrDict()), "empty")
    assert has({"objects/position": 1}, "objects/position")


def test_apply_makes_a_new_batch():
    batch = nest({"a/b": np.ones(2)})
    doubled = apply(batch, lambda x: x * 2)
    assert doubled["a/b"].tolist() == [2, 2] and batch["a/b"].tolist() == [1, 1]
