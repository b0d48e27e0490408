"""Curves as PNG files, for people who look at a run without a tracker.

plot_curves("plots/loss.png", [Curve("train", steps, losses), Curve("holdout", steps2, losses2)], y_label="loss")
plot_curves("plots/success.png", [Curve("holdout env", steps, rates, low, high)], y_label="success", percent=True)
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from muse.utils.errors import MuseError
from muse.utils.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours of the curves in order, told apart by colour-blind eyes too (M. Okabe and K. Ito, Color universal design, 2008).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: From this ratio of the largest to the smallest value on a curve is drawn on a logarithmic scale.
_LOG_RATIO = 20.0
#: Longer curves are drawn with a running mean over this share of their points, the points themselves faint.
_SMOOTH_FROM, _SMOOTH_SHARE = 200, 0.02


class PlotError(MuseError):
    """Values that no plot can be made of."""


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        label: Its name in the legend.
        x, y: Its points, as many of one as of the other; points that are not finite are left out.
        low, high: Ends of an interval around each point, drawn as a band; None for none.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None

    def __post_init__(self) -> None:
        for name in ("y", "low", "high"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.x):
                raise PlotError(f"curve '{self.label}'", f"{len(values)} values of {name}", f"{len(self.x)}, as of x")
        if (self.low is None) != (self.high is None):
            raise PlotError(f"curve '{self.label}'", "one end of an interval", "low and high, or none")


def plot_curves(
    path: str | os.PathLike[str],
    curves: Sequence[Curve],
    *,
    title: str = "",
    x_label: str = "step",
    y_label: str = "",
    log: bool | None = None,
    percent: bool = False,
    size: tuple[float, float] = (7.0, 4.0),
) -> None:
    """Draws curves into a PNG file, which appears whole.

    Args:
        path: The file; ends in `.png`. Its folder is made when missing.
        curves: At least one; one without points is named in the legend only.
        title: Above the plot.
        x_label, y_label: What the axes show, with its unit.
        log: Logarithmic y axis; when None, where all values are positive and span more than a factor of 20.
        percent: The values are fractions: show the axis from 0 to 100%.
        size: Width and height [inch], at 150 dots per inch.

    Raises:
        PlotError: For no curves, another ending of the name, or a logarithmic axis with values that are not positive.
    """
    if not str(path).endswith(".png"):
        raise PlotError(str(path), "another kind of file", "a name that ends in '.png'")
    if not curves:
        raise PlotError(str(path), "no curves", "at least one")
    values = np.concatenate([np.asarray(curve.y, float) for curve in curves])
    values = values[np.isfinite(values)]
    if log and (values <= 0).any():
        raise PlotError(f"{path}: log", f"values down to {values.min():g}", "positive values, or log=False")
    if log is None:
        log = not percent and len(values) > 1 and values.min() > 0 and values.max() > _LOG_RATIO * values.min()
    figure = new_figure(size)
    axes = figure.add_subplot()
    if log:
        axes.set_yscale("log")
    for i, curve in enumerate(curves):
        _draw(axes, curve, COLORS[i % len(COLORS)])
    _dress(axes, title, x_label, y_label, percent, bool(log))
    save_figure(path, figure)


def new_figure(size: tuple[float, float]) -> Figure:
    """Returns an empty figure of so many inches, at 150 dots per inch, that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(path: str | os.PathLike[str], figure: Figure) -> None:
    """Writes a figure to a PNG file, which appears whole.

    Raises:
        PlotError: For another ending of the name.
    """
    if not str(path).endswith(".png"):
        raise PlotError(str(path), "another kind of file", "a name that ends in '.png'")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with atomic_write(path) as file:
        file.write(buffer.getvalue())


def dress_axes(axes: Axes) -> None:
    """Draws a faint grid behind what is drawn, and no frame above and to the right."""
    axes.grid(True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw(axes: Axes, curve: Curve, color: str) -> None:
    x, y = np.asarray(curve.x, float), np.asarray(curve.y, float)
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if curve.low is not None and curve.high is not None:
        low, high = np.asarray(curve.low, float)[finite], np.asarray(curve.high, float)[finite]
        axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
    if len(x) >= _SMOOTH_FROM:
        axes.plot(x, y, color=color, alpha=0.25, linewidth=0.7)
        axes.plot(x, running_mean(y, max(3, round(_SMOOTH_SHARE * len(y)))), color=color, label=curve.label, linewidth=1.6)
    else:
        style: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(x) <= 40 else {}
        axes.plot(x, y, color=color, label=curve.label, linewidth=1.6, **style)


def _dress(axes: Axes, title: str, x_label: str, y_label: str, percent: bool, log: bool) -> None:
    from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator, NullFormatter

    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if percent:
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}%"))
    elif log:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    dress_axes(axes)
    if log:
        axes.grid(True, which="minor", color="0.9", linewidth=0.6)
    axes.legend(frameon=False)


def running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Returns the mean over a centred window of `window` values, which is cut short at the ends; same length `(N,)`."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    i = np.arange(len(values))
    begin, end = np.maximum(i - window // 2, 0), np.minimum(i + (window + 1) // 2, len(values))
    return (sums[end] - sums[begin]) / (end - begin)
