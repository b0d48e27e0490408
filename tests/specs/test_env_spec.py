import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st

from muse.specs import EnvSpec, Leaf
from muse.specs.leaf import SpecError
from muse.utils.attrdicts import nest


def make(**changes):
    params = dict(
        names_shapes_limits_dtypes=[
            ("ego", (2,), (0, 1), np.float32, "m"),
            ("objects/position", (3, 2), (-np.inf, np.inf), np.float32, "m"),
            ("reward", (1,), (-1, 1), np.float32),
            ("goal/ego", (2,), (0, 1), np.float32, "m"),
            ("action", (2,), ([-1, -2], [1, 2]), np.float32),
            ("button", (), (0, 3), np.int64),
            ("objects/size", (3,), (0, 1), np.float32, "m"),
            ("note", (), (0, 0), "U8"),
        ],
        observation_names=["ego", "objects/position"],
        output_observation_names=["reward"],
        goal_names=["goal/ego"],
        action_names=["action", "button"],
        param_names=["objects/size"],
    )
    return EnvSpec(d({**params, **changes}))


def test_roles_and_names():
    spec = make()
    assert spec.names == ("ego", "objects/position", "reward", "goal/ego", "action", "button", "note")
    assert spec.all_names[-2:] == ("objects/size", "note")
    assert spec.leaf("ego").unit == "m" and spec.leaf("ego").role == "observation" and spec.leaf("note").role == ""
    assert spec.dim(["ego", "objects/position"]) == 8
    assert "ego" in spec and "x" not in spec


def test_a_spec_is_frozen_and_equal_by_value():
    spec = make()
    with pytest.raises(AttributeError, match="frozen"):
        spec.action_names = ()
    with pytest.raises(ValueError):
        spec.leaf("ego").low[0] = 5
    assert spec == make() and spec != make(param_names=[])


@given(
    st.dictionaries(
        st.sampled_from(["a", "b/c", "b/d", "e"]),
        st.tuples(
            st.lists(st.integers(0, 3), max_size=3),
            st.sampled_from(["float32", "float64", "int64", "uint8", "bool", "U5"]),
            st.booleans(),
        ),
    )
)
def test_plain_values_give_the_spec_back(leaves):
    made = [Leaf(n, tuple(s), -np.inf if b and t[0] == "f" else 0, 1, np.dtype(t), "m", "") for n, (s, t, b) in leaves.items()]
    spec = EnvSpec.from_leaves(made)
    assert EnvSpec.from_dict(spec.to_dict()) == spec


def test_uniform_draws_stay_within_limits_and_reach_both_ends_of_integers():
    drawn = make().get_uniform(["action", "button"], 2000, np.random.default_rng(0))
    assert drawn["action"].shape == (2000, 2) and drawn["action"].dtype == np.float32
    assert np.all(np.abs(drawn["action"]) <= [1, 2]) and np.abs(drawn["action"][:, 1]).max() > 1.9
    assert set(drawn["button"]) == {0, 1, 2, 3} and drawn["button"].dtype == np.int64


def test_clip_and_types():
    spec = make()
    action = np.array([[5, -5]], np.float32)
    assert spec.clip({"action": action}, ["action"])["action"].tolist() == [[1, -2]]
    assert action.tolist() == [[5, -5]]
    assert spec.map_to_types({"button": np.array([1.6])})["button"].tolist() == [2]


def test_extended_adds_and_never_changes():
    spec = make()
    longer = spec.extended([Leaf("plan", (4,), -np.inf, np.inf, np.dtype("float32"), role="observation"), spec.leaf("ego")])
    assert longer.observation_names == ("ego", "objects/position", "plan") and spec.observation_names == (
        "ego",
        "objects/position",
    )
    with pytest.raises(SpecError, match="spec leaf 'ego': shape \\(3,\\) float32; expected what is there"):
        spec.extended([Leaf("ego", (3,), 0, 1, np.dtype("float32"))])


def test_check_finds_what_does_not_fit():
    spec = make()
    good = nest({"ego": np.zeros((4, 1, 2), np.float32), "objects/position": np.zeros((4, 1, 3, 2), np.float32)})
    spec.check(good, spec.observation_names, (4, 1), limits=True)
    cases = [
        ({"ego": np.zeros((4, 1, 3))}, "batch: 'ego': shape (4, 1, 3); expected shape (4, 1, 2)"),
        ({}, "batch: 'ego': missing; expected an array of shape (..., 2)"),
        ({"ego": np.full((4, 1, 2), np.nan)}, "batch: 'ego': NaN or infinity; expected finite numbers"),
        ({"ego": np.full((4, 1, 2), 1.5)}, "batch: 'ego': values from 1.5 to 1.5; expected within [0.0, 1.0]"),
    ]
    for batch, message in cases:
        with pytest.raises(SpecError) as info:
            spec.check(batch, ["ego"], (4, 1), limits=True)
        assert str(info.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action_names": ["acton"]}, "EnvSpec.action_names: unknown name 'acton' (did you mean 'action'?); expected a name from names_shapes_limits_dtypes"),
        ({"goal_names": ["ego"]}, "EnvSpec.goal_names: 'ego' is already a observation; expected one role for each name"),
        ({"names_shapes_limits_dtypes": [("a", (2,), (0, 1))]}, "EnvSpec: entry ('a', (2,), (0, 1)); expected (name, shape, (low, high), dtype[, unit[, description]])"),
        ({"names_shapes_limits_dtypes": [("a", (2,), (1, 0), float)]}, "spec leaf 'a': low [1.0, 1.0] above high [0.0, 0.0]; expected low <= high"),
        ({"names_shapes_limits_dtypes": [("a", (2,), ([0, 0, 0], 1), float)]}, "spec leaf 'a': low [0, 0, 0]; expected a limit that broadcasts to shape (2,)"),
        ({"names_shapes_limits_dtypes": [("a", (), (0, 1), object)]}, "spec leaf 'a': dtype object; expected a type of fixed size (float32, int64, bool, uint8, U16)"),
        ({"names_shapes_limits_dtypes": [("a/b/c", (), (0, 1), float), ("a/b", (), (0, 1), float)]}, "EnvSpec: 'a/b/c' inside of 'a/b'; expected a name that is no part of another's path"),
        ({"names_shapes_limits_dtypes": [("a/", (), (0, 1), float)]}, "spec leaf 'a/': not a name; expected a path such as 'objects/position'"),
    ],
)  # fmt: skip
def test_a_spec_that_contradicts_itself_says_where(changes, message):
    with pytest.raises(SpecError) as info:
        make(**changes)
    assert str(info.value) == message


def test_no_uniform_draw_without_limits():
    with pytest.raises(SpecError, match="spec leaf 'objects/position': no finite limits to draw from"):
        make().get_uniform(["objects/position"], 1, np.random.default_rng(0))
