"""Trainers join datasets, a model, a policy and environments in a loop."""

from __future__ import annotations

import importlib
from typing import Any

#: Public names and the modules that hold them, imported when first asked for.
_EXPORTS = {
    "GoalTrainer": "muse.trainers.goal_trainer",
    "Trainer": "muse.trainers.trainer",
    "TrainerError": "muse.trainers.errors",
    "load_checkpoint": "muse.trainers.checkpoint",
    "make_writer": "muse.trainers.writers",
    "restore_model": "muse.trainers.checkpoint",
    "save_checkpoint": "muse.trainers.checkpoint",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
