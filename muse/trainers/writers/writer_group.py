"""Several writers as one, and the ones that a run has."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from muse.trainers.writers.line_writers import JsonlWriter, LossCsvWriter, last_step
from muse.trainers.writers.tensorboard_writer import TensorboardWriter
from muse.trainers.writers.wandb_writer import WandbWriter
from muse.trainers.writers.writer import Writer
from muse.utils.errors import MissingExtraError

_log = logging.getLogger(__name__)

METRICS_FILE, LOSS_FILE = "metrics.jsonl", "loss.csv"


class WriterGroup(Writer):
    """Tells several writers, in their order. A group of none writes nothing.

    Args:
        writers: Any number.
    """

    def __init__(self, writers: Sequence[Writer] = ()) -> None:
        self.writers = tuple(writers)

    def scalar(self, name: str, value: float, step: int) -> None:
        """See `Writer.scalar`."""
        for writer in self.writers:
            writer.scalar(name, value, step)

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        """See `Writer.image`."""
        for writer in self.writers:
            writer.image(name, image, step)

    def video(self, name: str, frames: np.ndarray, step: int, fps: float = 20.0) -> None:
        """See `Writer.video`."""
        for writer in self.writers:
            writer.video(name, frames, step, fps)

    def truncate(self, step: int) -> None:
        """See `Writer.truncate`."""
        for writer in self.writers:
            writer.truncate(step)

    def flush(self) -> None:
        """See `Writer.flush`."""
        for writer in self.writers:
            writer.flush()

    def close(self) -> None:
        """Closes every writer, also when one of them fails."""
        with contextlib.ExitStack() as stack:
            for writer in reversed(self.writers):
                stack.callback(writer.close)


def make_writer(
    folder: str | os.PathLike[str],
    *,
    tensorboard: bool = True,
    wandb: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Writer:
    """Returns the writers of a run: `metrics.jsonl` and `loss.csv` always, the others as asked for.

    Args:
        folder: The experiment's folder.
        tensorboard: Write TensorBoard events.
        wandb: `project`, `tags` and `name` for Weights & Biases; None for none. Where wandb is not installed one line says so.
        config: The resolved recipe as plain values, for Weights & Biases.
    """
    folder = Path(folder)
    writers: list[Writer] = [JsonlWriter(folder / METRICS_FILE), LossCsvWriter(folder / LOSS_FILE)]
    if tensorboard:
        writers.append(TensorboardWriter(folder))
    if wandb is not None:
        sent_until = last_step(folder / METRICS_FILE)
        add_optional(writers, lambda: WandbWriter(folder, **wandb, config=config, sent_until=sent_until))
    return WriterGroup(writers)


def add_optional(writers: list[Writer], make: Callable[[], Writer]) -> None:
    """Adds a writer whose back end may be missing; one line says so then."""
    try:
        writers.append(make())
    except MissingExtraError as error:
        _log.warning("wandb: not installed, TensorBoard only (%s)", error.hint)
