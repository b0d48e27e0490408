"""The contract of writers. The loop that calls it (`muse.trainers`):

writer.truncate(step)                               # a run that goes on after `step`
while training:
    writer.scalar("train/loss", 0.1, step)
    writer.flush()                                  # before a checkpoint is written
writer.close()
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class Writer(ABC):
    """Takes down what a run says of itself, by name and step. What a writer has no place for, it leaves out."""

    @abstractmethod
    def scalar(self, name: str, value: float, step: int) -> None:
        """Writes a number. Steps never fall, but by `truncate`."""

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        """Writes a picture `(Y, X, 3)` uint8."""

    def video(self, name: str, frames: np.ndarray, step: int, fps: float = 20.0) -> None:
        """Writes a video `(T, Y, X, 3)` uint8 of `fps` frames a second [1/s]."""

    def truncate(self, step: int) -> None:
        """Drops what was written after `step`, and whatever a crash has left half written. Called before anything is written."""

    def flush(self) -> None:
        """Makes durable what was written so far."""

    def close(self) -> None:
        """Flushes and lets go. May be called twice."""
