"""What a person sees when the work is done: a short table, and where the pictures are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from muse.experiments.file_manager import ExperimentFileManager

if TYPE_CHECKING:
    from muse.rollouts.evaluation import Evaluation
    from muse.trainers.checkpoint import Checkpoint


def print_table(rows: list[tuple[str, str]]) -> None:
    """Prints rows of a label and a text, aligned."""
    width = max(len(label) for label, _ in rows)
    for label, text in rows:
        print(f"  {label:<{width}}  {text}")


def format_seconds(seconds: float) -> str:
    """Returns `"0.8 s"`, `"2 min 05 s"` or `"3 h 10 min"`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def show_evaluation(
    result: Evaluation,
    seconds: float,
    *,
    returns: bool = False,
    checkpoint: Checkpoint | None = None,
    folder: Path | None = None,
    tracked: Mapping[str, float] | None = None,
    files: Sequence[tuple[str, Path]] = (),
) -> None:
    """Prints the table of an evaluation.

    Args:
        result: The episodes' records.
        seconds: How long the episodes took [s].
        returns: Show returns.
        checkpoint: The weights.
        folder: Where the results were written.
        tracked: What trackers said of the episodes, by name.
        files: What else there is to look at, and where it lies.
    """
    rows = [
        (
            "success",
            f"{result.success_rate:.1%} [{100 * result.success_low:.1f}, {100 * result.success_high:.1f}] of {result.episodes} episodes, 95% interval",
        ),
        ("length", f"{result.mean_length:.1f} steps on average"),
        ("time", f"{format_seconds(seconds)}, {result.episodes / max(seconds, 1e-9):.2g} episodes/s"),
    ]
    if returns and result.mean_return is not None:
        rows.insert(
            1, ("returns", f"{result.mean_return:.4g} on average, from {min(result.returns):.4g} to {max(result.returns):.4g}")
        )
    if result.crashed:
        first = next(record for record in result.records if record.error)
        rows.append(("crashed", f"{result.crashed} episodes, which count as failed; episode {first.index}: {first.error}"))
    if checkpoint is not None:
        rows.insert(0, ("checkpoint", f"{checkpoint.path}, after {checkpoint.step} training steps"))
    rows += [(name, f"{value:.4g}") for name, value in (tracked or {}).items()]
    if folder is not None:
        rows.append(("results", str(folder)))
    rows += [(label, str(path)) for label, path in files]
    print_table(rows)


def read_metrics(path: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Returns the steps and values of every scalar in a `metrics.jsonl`; a half last line is left out."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                values = json.loads(line)
                steps, numbers = found.setdefault(values["name"], ([], []))
                steps.append(int(values["step"]))
                numbers.append(float(values["value"]))
            except (ValueError, KeyError, TypeError):
                continue
    return found


def report_training(manager: ExperimentFileManager) -> None:
    """Draws the plots of a run from its metrics and prints the last values and where the pictures are."""
    metrics = read_metrics(manager.exp_dir / "metrics.jsonl")
    rows = []
    for label, name in (("train loss", "train/loss"), ("holdout loss", "holdout/loss")):
        if name in metrics:
            steps, values = metrics[name]
            rows.append((label, f"{values[-1]:.4g} at step {steps[-1]}"))
    if "env_train/success" in metrics:
        steps, values = metrics["env_train/success"]
        best = max(range(len(values)), key=lambda i: (values[i], i))
        rows.append(("success", f"{values[-1]:.0%} at step {steps[-1]}, best {values[best]:.0%} at step {steps[best]}"))
    for plot in plot_run(manager, metrics):
        rows.append(("plot", str(plot)))
    rows.append(("experiment", str(manager.exp_dir)))
    print_table(rows)


def plot_run(manager: ExperimentFileManager, metrics: dict[str, tuple[list[int], list[float]]]) -> list[Path]:
    """Draws `plots/loss.png` and `plots/success.png` from what was measured, and returns those that there was data for."""
    from muse.utils.plots import Curve, plot_curves

    drawn = []
    losses = [
        Curve(label, *metrics[name]) for label, name in (("train", "train/loss"), ("holdout", "holdout/loss")) if name in metrics
    ]
    if losses:
        drawn.append(manager.plots_dir / "loss.png")
        plot_curves(drawn[-1], losses, title=manager.exp_dir.name, x_label="training step", y_label="loss")
    successes = []
    for env in ("env_train", "env_holdout"):
        name = f"{env}/success"
        if name in metrics:
            band = {side: metrics[f"{name}_{side}"][1] for side in ("low", "high") if f"{name}_{side}" in metrics}
            successes.append(Curve(env, *metrics[name], **(band if len(band) == 2 else {})))
    if successes:
        drawn.append(manager.plots_dir / "success.png")
        plot_curves(
            drawn[-1],
            successes,
            title=manager.exp_dir.name,
            x_label="training step",
            y_label="success rate, 95% interval",
            percent=True,
        )
    return drawn
