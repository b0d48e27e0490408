"""Episodes of named arrays, read as windows. See `muse.datasets.dataset` for the contract."""

from __future__ import annotations

import importlib
from typing import Any

#: Public names and the modules that hold them, imported when first asked for.
_EXPORTS = {
    "ConcatDataset": "muse.datasets.concat_dataset",
    "DataAugmentation": "muse.datasets.augmentation",
    "DataError": "muse.datasets.dataset",
    "Dataset": "muse.datasets.dataset",
    "GaussianNoise": "muse.datasets.augmentation",
    "GoalRelabelling": "muse.datasets.goals",
    "Hdf5Dataset": "muse.datasets.hdf5_dataset",
    "InteractionWindows": "muse.datasets.interactions",
    "NpDataset": "muse.datasets.np_dataset",
    "Prefetcher": "muse.datasets.prefetch",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
