import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from muse.models.errors import ModelError, StatisticsError
from muse.models.normalizer import Normalizer
from muse.specs import Leaf, Statistics
from muse.testing.made_up import statistics_of

VALUES = hnp.arrays(np.float32, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=st.floats(-100, 100, width=32))


@given(VALUES, st.sampled_from(["mean_std", "min_max"]))
def test_unnormalize_reverses_normalize(values, mode):
    normalizer = Normalizer({"a/b": values.shape[1:]}, mode)
    normalizer.load({"a/b": statistics_of(values)})
    x = torch.from_numpy(values)
    scaled = normalizer.normalize("a/b", x)
    assert torch.isfinite(scaled).all()
    assert torch.allclose(normalizer.unnormalize("a/b", scaled), x, rtol=1e-4, atol=1e-3)


@given(VALUES)
def test_min_max_fills_the_unit_range(values):
    normalizer = Normalizer({"x": values.shape[1:]}, "min_max")
    normalizer.load({"x": statistics_of(values)})
    scaled = normalizer.normalize("x", torch.from_numpy(values)).numpy()
    assert np.all(np.abs(scaled) <= 1.01)
    wide = values.max(0) - values.min(0) > 1e-2
    np.testing.assert_allclose(scaled.max(0)[wide], 1.0, atol=1e-2)
    np.testing.assert_allclose(scaled.min(0)[wide], -1.0, atol=1e-2)


def test_mean_std_is_the_textbook_formula():
    values = np.random.default_rng(0).normal(3.0, 2.0, (1000, 2, 3))
    normalizer = Normalizer({"x": (2, 3)})
    normalizer.load({"x": statistics_of(values)})
    scaled = normalizer.normalize("x", torch.from_numpy(values))
    np.testing.assert_allclose(scaled.numpy(), (values - values.mean(0)) / values.std(0), atol=1e-5)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3, 12345.678])
@pytest.mark.parametrize("mode", ["mean_std", "min_max"])
def test_a_constant_element_keeps_its_unit(constant, mode):
    values = np.full((50, 1), np.float32(constant))
    normalizer = Normalizer({"x": (1,)}, mode)
    normalizer.load({"x": statistics_of(values)})
    x = torch.tensor([[constant], [constant + 0.5]])
    np.testing.assert_allclose(normalizer.normalize("x", x).numpy(), [[0.0], [0.5]], atol=2e-3)


def test_statistics_travel_in_the_state_dict():
    one, other = (Normalizer({"a.b/c": (2,), "d": ()}) for _ in range(2))
    one.load({"a.b/c": statistics_of([[0, 1], [2, 5]]), "d": statistics_of([1.0, 3.0])})
    other.load_state_dict(one.state_dict())
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    assert other.is_ready and torch.equal(one.normalize("a.b/c", x), other.normalize("a.b/c", x))


def test_weights_without_statistics_stay_unusable():
    ready, empty = Normalizer({"x": (1,)}), Normalizer({"x": (1,)})
    ready.load({"x": statistics_of([[0.0], [1.0]])})
    assert ready.is_ready
    ready.load_state_dict(empty.state_dict())
    assert not ready.is_ready


def test_limits_need_no_statistics():
    leaf = Leaf("action", (2,), np.array([-2.0, 0.0]), np.array([2.0, 10.0]), np.dtype("float32"))
    normalizer = Normalizer.from_limits([leaf])
    assert normalizer.names == () and normalizer.is_ready
    assert normalizer.unnormalize("action", torch.tensor([1.0, -1.0])).tolist() == [2.0, 0.0]
    normalizer.load({})
    assert normalizer.normalize("action", torch.tensor([0.0, 5.0])).tolist() == [0.0, 0.0]


def test_use_before_statistics_is_told():
    normalizer = Normalizer({"ego": (2,), "object": (3,)})
    for use in (normalizer.normalize, normalizer.unnormalize):
        with pytest.raises(StatisticsError) as error:
            use("ego", torch.zeros(2))
        assert str(error.value) == (
            "Normalizer of 'ego', 'object': used before its statistics were loaded; expected statistics, or a checkpoint that holds them\n"
            "  try: model.load_statistics(dataset.get_statistics(model.statistics_names))"
        )


def test_a_missing_statistic_is_told_and_nothing_is_loaded():
    normalizer = Normalizer({"ego": (1,), "object": (1,)})
    with pytest.raises(StatisticsError) as error:
        normalizer.load({"ego": statistics_of([[0.0], [1.0]]), "objects": statistics_of([[0.0], [1.0]])})
    assert str(error.value) == (
        "statistics of 'object': missing (did you mean 'objects'?); expected one for each of ego, object\n"
        "  try: dataset.get_statistics(model.statistics_names)"
    )
    assert not normalizer.is_ready


@pytest.mark.parametrize(
    "values, message",
    [
        (np.zeros((4, 3)), "statistics of 'ego': shape (3,); expected shape (2,)"),
        (
            np.full((4, 2), np.nan),
            "statistics of 'ego': NaN or infinity; expected finite numbers\n  try: look for rows that are not finite in the data",
        ),
    ],
)
def test_wrong_statistics_are_told(values, message):
    with pytest.raises(StatisticsError) as error:
        Normalizer({"ego": (2,)}).load({"ego": statistics_of(values)})
    assert str(error.value) == message


def test_other_mistakes_are_told():
    with pytest.raises(ModelError) as error:
        Normalizer({}, "minmax")
    assert (
        str(error.value)
        == "Normalizer: mode 'minmax' (did you mean 'min_max'?); expected one of mean_std, min_max, quantiles, limits"
    )
    with pytest.raises(ModelError) as error:
        Normalizer({"ego": (1,)}).normalize("eg", torch.zeros(1))
    assert str(error.value) == "Normalizer: unknown name 'eg' (did you mean 'ego'?); expected one of ego"
    with pytest.raises(ModelError) as error:
        Normalizer.from_limits([Leaf("a", (1,), -np.inf, np.inf, np.dtype("float32"))])
    assert str(error.value) == "spec leaf 'a': no finite limits; expected limits to map to [-1, 1]"


def test_quantiles_are_not_moved_by_outliers():
    values = np.concatenate([np.linspace(-2, 6, 1001), [1e6]])[:, None]
    normalizer = Normalizer({"x": (1,)}, "quantiles")
    normalizer.load({"x": statistics_of(values)})
    low, high = np.quantile(values, [0.01, 0.99])
    mapped = normalizer.normalize("x", torch.tensor([[low], [high]], dtype=torch.float32))
    np.testing.assert_allclose(mapped.numpy(), [[-1], [1]], atol=1e-6)
    with pytest.raises(StatisticsError, match="no quantiles"):
        normalizer.load({"x": Statistics(*np.ones((4, 1)), 3)})
