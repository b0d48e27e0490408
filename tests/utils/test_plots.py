import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from muse.utils import plots
from muse.utils.plots import COLORS, Curve, PlotError, plot_curves, running_mean


def colours(path):
    """Returns how many pixels of a picture are near each of the first colours of curves."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    wanted = [tuple(int(color[i : i + 2], 16) for i in (1, 3, 5)) for color in COLORS[:3]]
    return [int((np.abs(pixels - color).max(axis=-1) < 12).sum()) for color in wanted]


@pytest.fixture
def figures(monkeypatch):
    """Keeps the figures that are saved, so that their axes can be read."""
    kept = []
    original = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kwargs: (kept.append(self), original(self, *args, **kwargs)))
    return kept


def test_draws_every_curve_into_a_picture(tmp_path):
    x = np.arange(30)
    plot_curves(tmp_path / "plots" / "loss.png", [Curve("train", x, np.exp(-x / 10)), Curve("holdout", x, np.exp(-x / 15))])
    with Image.open(tmp_path / "plots" / "loss.png") as image:
        assert image.size == (1050, 600)
    first, second, third = colours(tmp_path / "plots" / "loss.png")
    assert first > 500 and second > 500 and third < 20
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["loss.png"]


def test_says_what_is_shown(tmp_path, figures):
    plot_curves(
        tmp_path / "a.png",
        [Curve("a", [0, 1], [1, 2]), Curve("b", [0, 1], [2, 1])],
        title="run",
        x_label="step",
        y_label="way [m]",
    )
    axes = figures[0].axes[0]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("run", "step", "way [m]")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]


@pytest.mark.parametrize(
    ("y", "log", "scale"),
    [
        ([1.0, 0.01], None, "log"),
        ([1.0, 0.5], None, "linear"),
        ([1.0, 0.0], None, "linear"),
        ([1.0, -0.001], None, "linear"),
        ([1.0, 0.5], True, "log"),
        ([1.0, 0.01], False, "linear"),
        ([1.0, np.nan], None, "linear"),
    ],
)
def test_the_scale_is_logarithmic_where_that_is_sensible(tmp_path, figures, y, log, scale):
    plot_curves(tmp_path / "a.png", [Curve("train", [0, 1], y)], log=log)
    assert figures[0].axes[0].get_yscale() == scale


def test_success_is_shown_in_percent_with_its_band(tmp_path, figures):
    curve = Curve("env", [0, 100, 200], [0.01, 0.5, 0.9], [0.0, 0.4, 0.8], [0.1, 0.6, 0.95])
    plot_curves(tmp_path / "a.png", [curve], percent=True, y_label="success")
    axes = figures[0].axes[0]
    assert axes.get_ylim() == (-0.02, 1.02) and axes.get_yscale() == "linear"
    assert {label.get_text() for label in axes.get_yticklabels()} >= {"0%", "50%", "100%"}
    band = axes.collections[0].get_paths()[0].vertices
    assert {(0.0, 0.1), (200.0, 0.95), (100.0, 0.4)} <= {tuple(point) for point in band.tolist()}


def test_points_that_are_not_finite_are_left_out(tmp_path, figures):
    plot_curves(tmp_path / "a.png", [Curve("train", [0, 1, 2, 3], [1.0, np.nan, np.inf, 4.0])])
    assert figures[0].axes[0].lines[0].get_xydata().tolist() == [[0, 1], [3, 4]]


@pytest.mark.parametrize("points", [0, 1, 1000])
def test_few_and_many_points_can_be_drawn(tmp_path, points):
    plot_curves(tmp_path / "a.png", [Curve("train", range(points), np.linspace(1, 2, points))])
    assert (tmp_path / "a.png").stat().st_size > 5000


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(1, 12))
def test_running_mean_is_the_mean_of_a_window(values, window):
    expected = [np.mean(values[max(0, i - window // 2) : i + (window + 1) // 2]) for i in range(len(values))]
    np.testing.assert_allclose(running_mean(np.array(values), window), expected, atol=1e-6, rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot_curves("a.png", []), "a.png: no curves; expected at least one"),
        (lambda: plot_curves("a.pdf", [Curve("a", [], [])]), "a.pdf: another kind of file; expected a name that ends in '.png'"),
        (lambda: plot_curves("a.png", [Curve("a", [0], [-2.0])], log=True), "a.png: log: values down to -2; expected positive values, or log=False"),
        (lambda: Curve("a", [0, 1], [1]), "curve 'a': 1 values of y; expected 2, as of x"),
        (lambda: Curve("a", [0], [1], low=[0]), "curve 'a': one end of an interval; expected low and high, or none"),
    ],
)  # fmt: skip
def test_what_makes_no_plot_is_said(call, message):
    with pytest.raises(PlotError) as error:
        call()
    assert str(error.value) == message


def test_pyplot_is_never_used():
    with open(plots.__file__, encoding="utf-8") as file:
        assert "pyplot" not in file.read()
