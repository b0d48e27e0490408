"""Pages of plots: an episode over time, the values of each name, where states lie, how long episodes are. PNG files that appear whole."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.tools.specs import arrays_spec
from muse.datasets.tools.success import success_of
from muse.specs import Leaf
from muse.utils.plots import COLORS, dress_axes, new_figure, save_figure
from muse.utils.video import is_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Names with more elements have no panel, nor have pictures; or one of faint lines without a legend.
_MAX_ELEMENTS, _MAX_LEGEND = 256, 8
#: Rows that are drawn as points at most.
_MAX_POINTS = 20_000
#: In this order.
_ROLES = ("action", "observation", "goal", "output_observation", "")
_GOOD, _BAD, _START, _CLOUD = COLORS[2], COLORS[1], COLORS[0], "0.75"


def plot_episode(path: str | os.PathLike[str], data: EpisodeData, index: int) -> None:
    """Draws an episode: a panel per name over its steps, with units and the limits of actions.

    Raises:
        DataError: When there is no such episode, or no name to draw.
    """
    if not 0 <= index < len(data.ends):
        raise DataError(f"{data.where}: episode {index}", "not there", f"a number below {len(data.ends)}")
    leaves = _drawable(data)
    begin, end = int(data.ends[index - 1]) if index else 0, int(data.ends[index])
    figure, panels = _panels(len(leaves), f"{_title(data)}: episode {index}, {end - begin} steps{_verdict(data, index)}")
    for leaf, axes in zip(leaves, panels, strict=True):
        _draw_steps(axes, leaf, np.asarray(data.steps[leaf.name][begin:end]))
    for axes in panels[-min(2, len(panels)) :]:
        axes.set_xlabel("step", fontsize=8)
    save_figure(path, figure)


def plot_histograms(path: str | os.PathLike[str], data: EpisodeData) -> None:
    """Draws how the values of each name are spread over all rows, an outline per element.

    Raises:
        DataError: When there is no name to draw.
    """
    leaves = _drawable(data)
    figure, panels = _panels(len(leaves), f"{_title(data)}: values over {data.num_rows} steps")
    for leaf, axes in zip(leaves, panels, strict=True):
        rows = _thinned(data.steps[leaf.name]).reshape(-1, leaf.size).astype(np.float64)
        _draw_histogram(axes, leaf, rows)
    save_figure(path, figure)


def plot_coverage(path: str | os.PathLike[str], data: EpisodeData) -> None:
    """Draws where states lie: all rows as a cloud, with the places where episodes begin and end.

    Positions (observations in metres of two or three elements) are drawn in their own coordinates; where there are none, the two
    directions in which observations differ most.

    Raises:
        DataError: When there are no observations of numbers.
    """
    views = _views(data)
    columns = min(3, len(views))
    count = math.ceil(len(views) / columns)
    figure = new_figure((4.2 * columns + 0.6, 4.0 * count + 0.6))
    figure.suptitle(f"{_title(data)}: where {len(data.ends)} episodes go", fontsize=11)
    success = success_of(data)
    first, last = data.ends - np.diff(data.ends, prepend=0), data.ends - 1
    for i, (title, x_label, y_label, points, is_metric) in enumerate(views):
        axes = figure.add_subplot(count, columns, i + 1)
        cloud = _thinned(points)
        axes.scatter(
            *cloud.T,
            s=3,
            color=_CLOUD,
            alpha=min(1.0, 0.3 + 500 / max(1, len(cloud))),
            linewidths=0,
            label="all steps",
            rasterized=True,
        )
        axes.scatter(*points[first].T, s=12, color=_START, linewidths=0, label="begin")
        solved = np.ones(len(last), bool) if success is None else success.values
        for chosen, color, label in (
            (solved, _GOOD, "end" if success is None else "end, solved"), (~solved, _BAD, "end, not solved"),
        ):  # fmt: skip
            if chosen.any():
                axes.scatter(*points[last[chosen]].T, s=14, color=color, marker="x", linewidths=1, label=label)
        axes.set_title(_plain(title), fontsize=10)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        if is_metric:
            axes.set_aspect("equal", adjustable="datalim")
        dress_axes(axes)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=4 if columns > 1 else 2, frameon=False, fontsize=9, markerscale=1.5
    )
    legend.legend_handles[0].set_alpha(1.0)
    save_figure(path, figure)


def plot_lengths(path: str | os.PathLike[str], data: EpisodeData) -> None:
    """Draws how long episodes are: how often each length is there, and the lengths in the order of the episodes.

    Raises:
        DataError: Without an episode.
    """
    if not len(data.ends):
        raise DataError(data.where, "no episodes", "at least one")
    lengths, success = np.diff(data.ends, prepend=0), success_of(data)
    solved = np.ones(len(lengths), bool) if success is None else success.values
    figure = new_figure((9.0, 3.6))
    figure.suptitle(f"{_title(data)}: lengths of {len(lengths)} episodes", fontsize=11)
    left, right = figure.subplots(1, 2)
    edges = np.histogram_bin_edges(lengths, bins=min(40, max(1, int(np.ptp(lengths)) + 1)))
    names = ("episodes", "") if success is None else ("solved", "not solved")
    for chosen, color, label in ((solved, _START if success is None else _GOOD, names[0]), (~solved, _BAD, names[1])):
        if chosen.any():
            numbers = np.flatnonzero(chosen)
            right.plot(numbers, lengths[chosen], ".", color=color, markersize=4, label=label)
    kinds = [(lengths[solved], _START if success is None else _GOOD), (lengths[~solved], _BAD)]
    left.hist([kind for kind, _ in kinds], bins=edges, stacked=True, color=[color for _, color in kinds])
    left.axvline(float(np.median(lengths)), color="0.3", linestyle="--", linewidth=1, label=f"median {np.median(lengths):g}")
    left.set_xlabel("steps")
    left.set_ylabel("episodes")
    right.set_xlabel("episode")
    right.set_ylabel("steps")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        _whole_numbers(axes.yaxis)
        _whole_numbers(axes.xaxis)
        dress_axes(axes)
        axes.legend(frameon=False, fontsize=8)
    save_figure(path, figure)


def _drawable(data: EpisodeData) -> list[Leaf]:
    """Returns the step names of numbers that a panel can show, actions first.

    Raises:
        DataError: When there is none.
    """
    leaves = [
        leaf
        for leaf in map(arrays_spec(data).leaf, data.steps)
        if leaf.dtype.kind in "fiub" and 0 < leaf.size <= _MAX_ELEMENTS and not is_picture(leaf.shape, leaf.dtype)
    ]
    if not leaves or not len(data.ends):
        raise DataError(
            data.where, "nothing to draw", f"episodes with step names of numbers, of at most {_MAX_ELEMENTS} elements"
        )
    return sorted(leaves, key=lambda leaf: _ROLES.index(leaf.role) if leaf.role in _ROLES else len(_ROLES))


def _panels(count: int, title: str) -> tuple[Figure, list[Axes]]:
    columns = 1 if count <= 2 else 2
    rows = math.ceil(count / columns)
    figure = new_figure((5.4 * columns, 2.1 * rows + 0.5))
    figure.suptitle(title, fontsize=11)
    return figure, [figure.add_subplot(rows, columns, i + 1) for i in range(count)]


def _plain(text: str) -> str:
    """Returns text that matplotlib draws as it is: between two dollars it would look for formulas."""
    return text.replace("$", r"\$")


def _title(data: EpisodeData) -> str:
    return _plain(os.path.basename(os.path.normpath(data.where)))


def _verdict(data: EpisodeData, index: int) -> str:
    success = success_of(data)
    return "" if success is None else ", solved" if success.values[index] else ", not solved"


def _thinned(array: np.ndarray) -> np.ndarray:
    """Returns rows evenly spread where there are many."""
    if len(array) <= _MAX_POINTS:
        return np.asarray(array)
    return np.asarray(array[np.linspace(0, len(array) - 1, _MAX_POINTS).astype(np.int64)])


def _labels(leaf: Leaf) -> list[str]:
    if leaf.size == 1:
        return [""]
    if _is_position(leaf):
        return list("xyz"[: leaf.size])
    return [" ".join(map(str, np.unravel_index(i, leaf.shape))) for i in range(leaf.size)]


def _is_position(leaf: Leaf) -> bool:
    return leaf.unit == "m" and leaf.shape in ((2,), (3,)) and "qpos" not in leaf.name


def _colors(count: int) -> Sequence[Any]:
    if count <= len(COLORS):
        return COLORS
    import matplotlib

    return matplotlib.colormaps["viridis"](np.linspace(0, 0.95, count))


def _name_panel(axes: Axes, leaf: Leaf) -> None:
    role = f"  ({leaf.role.replace('_', ' ')})" if leaf.role not in ("", leaf.name) else ""
    axes.set_title(_plain(f"{leaf.name}{role}"), fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    dress_axes(axes)
    if 1 < leaf.size <= _MAX_LEGEND:
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.05), handlelength=1.2, labelspacing=0.3)
    elif leaf.size > _MAX_LEGEND:
        axes.text(1.01, 0.97, f"{leaf.size} elements,\nthe first dark", transform=axes.transAxes, fontsize=7, va="top")


def _draw_steps(axes: Axes, leaf: Leaf, rows: np.ndarray) -> None:
    rows = rows.reshape(len(rows), leaf.size).astype(np.float64)
    for column, color, label in zip(rows.T, _colors(leaf.size), _labels(leaf), strict=False):
        style: dict[str, Any] = {"drawstyle": "steps-post"} if leaf.dtype.kind in "iub" else {}
        marker = "o" if len(rows) <= 2 else None
        axes.plot(column, color=color, linewidth=1.2, label=label, marker=marker, markersize=3, **style)
    if leaf.role == "action" and leaf.is_bounded and leaf.dtype.kind == "f":
        for limit in np.unique([leaf.low, leaf.high]):
            axes.axhline(limit, color="0.5", linestyle=":", linewidth=1)
    axes.set_ylabel(_plain(f"[{leaf.unit}]") if leaf.unit else "", fontsize=8)
    if leaf.dtype == bool:
        axes.set_ylim(-0.1, 1.1)
        axes.set_yticks([0, 1])
    axes.set_xlim(0, max(1, len(rows) - 1))
    _whole_numbers(axes.xaxis)
    _name_panel(axes, leaf)


def _draw_histogram(axes: Axes, leaf: Leaf, rows: np.ndarray) -> None:
    finite = rows[np.isfinite(rows)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    if low == high:
        text = f"constant: {low:g}" if finite.size else "no finite numbers"
        axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, fontsize=9, color="0.3")
        axes.set_xticks([])
        axes.set_yticks([])
    else:
        edges = np.linspace(low, high, 41)
        for column, color, label in zip(rows.T, _colors(leaf.size), _labels(leaf), strict=False):
            share = np.histogram(column[np.isfinite(column)], edges)[0] / len(column)
            axes.stairs(share, edges, color=color, linewidth=1.2, label=label)
            if leaf.size == 1:
                axes.stairs(share, edges, color=color, alpha=0.25, fill=True)
        axes.set_yscale("log" if _is_peaked(rows, edges) else "linear")
        axes.set_xlabel(_plain(f"[{leaf.unit}]") if leaf.unit else "", fontsize=8)
    axes.yaxis.set_major_formatter(_percent)
    if axes.get_yscale() == "log":
        from matplotlib.ticker import NullFormatter

        axes.yaxis.set_minor_formatter(NullFormatter())
    _name_panel(axes, leaf)
    if low == high and axes.get_legend() is not None:
        axes.get_legend().remove()


def _is_peaked(rows: np.ndarray, edges: np.ndarray) -> bool:
    """Whether one bin holds nearly all of an element, so that the others would not be seen."""
    shares = [np.histogram(column, edges)[0].max() / max(1, len(column)) for column in rows.T]
    return max(shares) > 0.6


def _percent(value: float, _: Any) -> str:
    return f"{100 * value:.3g}%"


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True))


def has_states(data: EpisodeData) -> bool:
    """Returns whether `plot_coverage` has observations to draw."""
    return bool(_states(data))


def _states(data: EpisodeData) -> list[Leaf]:
    return [leaf for leaf in _drawable(data) if leaf.role in ("observation", "") and leaf.dtype.kind == "f"]


def _views(data: EpisodeData) -> list[tuple[str, str, str, np.ndarray, bool]]:
    """Returns title, labels of the axes, points `(N, 2)` and whether both axes have one scale, of each view of the states.

    Raises:
        DataError: When there are no observations of numbers.
    """
    leaves = _states(data)
    views = []
    for leaf in leaves:
        if _is_position(leaf):
            rows = np.asarray(data.steps[leaf.name])
            for i, j in ((0, 1), (0, 2))[: leaf.size - 1]:
                views.append((leaf.name, f"{'xyz'[i]} [m]", f"{'xyz'[j]} [m]", rows[:, [i, j]], True))
    if views:
        return views[:6]
    if not leaves:
        raise DataError(
            data.where, "no observations", "observations of numbers", "muse data relabel, --role, where a file has no spec"
        )
    return [("observations, the two main directions", "first", "second", _main_directions(data, leaves), False)]


def _main_directions(data: EpisodeData, leaves: Sequence[Leaf]) -> np.ndarray:
    """Returns the rows `(N, 2)` in the two directions in which observations, each scaled to a spread of 1, differ most."""

    def read(rows: slice | np.ndarray) -> np.ndarray:
        parts = [np.asarray(data.steps[leaf.name][rows], np.float64) for leaf in leaves]
        return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)

    some = read(_thinned(np.arange(data.num_rows)))
    mean, spread = some.mean(axis=0), some.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    scaled = (some - mean) / spread
    _, directions = np.linalg.eigh(scaled.T @ scaled)
    chosen = directions[:, ::-1][:, :2]
    points = [((read(slice(i, i + _MAX_POINTS)) - mean) / spread) @ chosen for i in range(0, data.num_rows, _MAX_POINTS)]
    # One element has no second direction.
    return np.pad(np.concatenate(points), ((0, 0), (0, 2 - chosen.shape[1])))
