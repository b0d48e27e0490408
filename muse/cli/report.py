"""What a person sees when the work is done: a short table, and where the pictures are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from muse.experiments.file_manager import ExperimentFileManager

if TYPE_CHECKING:
    from muse.rollouts.evaluation import Evaluation


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
    checkpoint: tuple[Path, int] | None = None,
    folder: Path | None = None,
    video: str | os.PathLike[str] | None = None,
) -> None:
    """Prints the table of an evaluation.

    Args:
        result: The episodes' records.
        seconds: How long the episodes took [s].
        returns: Show returns.
        checkpoint: Path and training step of the weights.
        folder: Where the results were written.
        video: Where the video was written.
    """
    rows = [
        ("success", f"{result.success_rate:.1%} [{100 * result.success_low:.1f}, {100 * result.success_high:.1f}] of {result.episodes} episodes, 95% interval"),
        ("length", f"{result.mean_length:.1f} steps on average"),
        ("time", f"{format_seconds(seconds)}, {result.episodes / max(seconds, 1e-9):.0f} episodes/s"),
    ]
    if returns and result.mean_return is not None:
        rows.insert(1, ("returns", f"{result.mean_return:.4g} on average, from {min(result.returns):.4g} to {max(result.returns):.4g}"))
    if checkpoint is not None:
        rows.insert(0, ("checkpoint", f"{checkpoint[0]}, after {checkpoint[1]} training steps"))
    if folder is not None:
        rows.append(("results", str(folder)))
    if video is not None:
        rows.append(("video", str(video)))
    print_table(rows)


def report_training(manager: ExperimentFileManager) -> None:
    """Draws the plots of a run from its metrics and prints where they are."""
