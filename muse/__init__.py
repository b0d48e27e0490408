"""Muse: from robot demonstrations to a working policy.

    import muse
    experiment = muse.load("experiments/point_mass/...")
    episode = muse.rollout(experiment.env, experiment.policy, experiment.model, seed=3)

Names are imported when first used, so `import muse` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "load": "muse.cli.load",
    "load_params": "muse.cli.load",
    "compare": "muse.cli.compare",
    "assemble": "muse.experiments.assemble",
    "Experiment": "muse.experiments.assemble",
    "make": "muse.envs.env",
    "rollout": "muse.rollouts.loop",
    "run_episodes": "muse.rollouts.loop",
    "evaluate": "muse.rollouts.evaluation",
    "MuseError": "muse.utils.errors",
}
__all__ = ["__version__", *_PLACES]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'muse' has no attribute '{name}'; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
