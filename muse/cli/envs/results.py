"""What was measured of the worlds: a file that `benchmarks/worlds.py` writes and the page of the worlds is made with.

The file is a JSON object with an entry for each world by its name, in which any of these may be missing:

    {"push_block": {
        "speed":  {"steps_per_second": 5800.0, "machine": "..."},
        "expert": {"policy": "cfgs/policy/push_block_expert.py", "episodes": 200, "solved": 199, "low": 0.97, "high": 0.999,
                   "mean_steps": 61.5, "seed": 0},
        "bc":     {"recipe": "cfgs/exp_worlds/push_block.py", "demonstrations": 200, "episodes": 100, "solved": 93, "low": 0.86,
                   "high": 0.97, "mean_steps": 70.1, "seed": 0, "training_steps": 20000, "minutes": 12.5, "machine": "..."}}}

`low` and `high` are the ends of Wilson's 95% interval of the share of episodes that were solved.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from muse.rollouts.evaluation import wilson_interval
from muse.utils.errors import MuseError
from muse.utils.files import atomic_write
from muse.utils.progress import format_success

#: Where the results lie in a checkout.
RESULTS = Path("benchmarks/results/worlds.json")


class ResultsError(MuseError):
    """A file of results that is none."""


@dataclass(frozen=True)
class Speed:
    """Steps of one environment a second, on a machine."""

    steps_per_second: float
    machine: str


@dataclass(frozen=True)
class Solved:
    """How many of some seeded episodes were solved, and the mean of their lengths."""

    episodes: int
    solved: int
    mean_steps: float
    seed: int

    def __str__(self) -> str:
        share = format_success(self.solved / self.episodes, wilson_interval(self.solved, self.episodes))
        return f"{share} of {self.episodes}"


@dataclass(frozen=True)
class ExpertResult(Solved):
    """What a scripted policy, by its recipe, solved."""

    policy: str


@dataclass(frozen=True)
class TrainedResult(Solved):
    """What a policy solved that was trained by a recipe on demonstrations, in some steps and minutes, rollouts apart."""

    recipe: str
    demonstrations: int
    training_steps: int
    minutes: float
    machine: str


KINDS: dict[str, type] = {"speed": Speed, "expert": ExpertResult, "bc": TrainedResult}


def read_results(path: str | os.PathLike[str] = RESULTS) -> dict[str, dict[str, Any]]:
    """Returns what was measured, a `Speed`, `ExpertResult` or `TrainedResult` by world and by kind; nothing where no file is.

    Raises:
        ResultsError: When the file is damaged, or not of the form above.
    """
    if not Path(path).is_file():
        return {}
    try:
        worlds = json.loads(Path(path).read_text(encoding="utf-8"))
        return {world: {kind: _read(kind, values) for kind, values in found.items()} for world, found in worlds.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        got = f"not the results of worlds ({type(error).__name__}: {error})"
        raise ResultsError(str(path), got, "the file that benchmarks/worlds.py writes") from error


def record(world: str, kind: str, result: Any, path: str | os.PathLike[str] = RESULTS) -> None:
    """Writes a result into the file, over an older one of its world and kind; the rest stays as it is."""
    results = read_results(path)
    results.setdefault(world, {})[kind] = result
    values = {
        name: {key: _to_dict(found[key]) for key in KINDS if key in found} for name, found in sorted(results.items())
    }  # fmt: skip
    with atomic_write(path, "w") as file:
        file.write(json.dumps(values, indent=2) + "\n")


def _read(kind: str, values: Mapping[str, Any]) -> Any:
    cls = KINDS[kind]
    return cls(**{field.name: values[field.name] for field in fields(cls)})


def _to_dict(result: Any) -> dict[str, Any]:
    values = asdict(result)
    if isinstance(result, Solved):
        low, high = wilson_interval(result.solved, result.episodes)
        values |= {"low": round(low, 4), "high": round(high, 4)}
    return values
