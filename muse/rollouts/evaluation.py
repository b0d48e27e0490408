"""Seeded evaluation: how often a policy succeeds, with an interval, on episodes that can be run again.

    evaluation = evaluate(env, policy, model, episodes=100, seed=0)
    evaluation.save("experiments/a/eval/1", checkpoint="models/best_model.pt")
    load_evaluation("experiments/a/eval/1").success_rate

The seeds of the first `k` episodes do not depend on how many there are, so evaluations of different lengths can be paired.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from muse.envs.env import Env
from muse.envs.vector_env import VectorEnv
from muse.models.model import Model
from muse.policies.policy import Policy
from muse.rollouts.loop import RolloutLoop, run_loop
from muse.rollouts.recorder import Recorder
from muse.specs import Episode
from muse.utils.attrdicts import has
from muse.utils.errors import MuseError
from muse.utils.files import atomic_write
from muse.utils.progress import Progress, format_success
from muse.utils.seeding import episode_seeds

if TYPE_CHECKING:
    from muse.rewards.reward import Reward

#: Ways to make one number of an episode's rewards.
REDUCTIONS: dict[str, Callable[[np.ndarray], Any]] = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}
#: Standard normal quantile of a two-sided 95% interval.
Z95 = 1.959963984540054
EPISODES_FILE, SUMMARY_FILE = "episodes.jsonl", "summary.json"


class EvaluationError(MuseError):
    """An evaluation asked for what it cannot do, or a saved one that is not whole."""


@dataclass(frozen=True)
class EpisodeRecord:
    """What is kept of an episode.

    Attributes:
        index: Its place in the evaluation.
        seed: The seed of its reset.
        success: Whether the task was solved when it ended.
        length: Number of actions.
        returns: Its rewards, reduced; None where there is no `reward`.
        truncated: Whether a limit ended it rather than the task.
        error: Why it was given up, where its env failed at every attempt; it counts as failed then, with length 0.
    """

    index: int
    seed: int
    success: bool
    length: int
    returns: float | None
    truncated: bool
    error: str = ""


@dataclass(frozen=True, repr=False)
class Evaluation:
    """The records of seeded episodes, in the order of their indices, and what follows from them.

    Attributes:
        records: One for each episode.
        seed: What the seeds of the episodes were made from.
        reduce_returns: How `returns` was made of the rewards: `sum`, `mean`, `max` or `min`.
    """

    records: tuple[EpisodeRecord, ...]
    seed: int
    reduce_returns: str = "sum"

    def __repr__(self) -> str:
        success = format_success(self.success_rate, (self.success_low, self.success_high))
        crashed = f", {self.crashed} crashed" if self.crashed else ""
        return f"Evaluation({self.episodes} episodes, seed={self.seed}, success {success}{crashed})"

    def __post_init__(self) -> None:
        if not self.records:
            raise EvaluationError("Evaluation", "no episodes", "at least 1")

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(self.records)

    @property
    def successes(self) -> int:
        """Number of episodes that succeeded."""
        return sum(record.success for record in self.records)

    @property
    def crashed(self) -> int:
        """Number of episodes that were given up, for their env failed."""
        return sum(bool(record.error) for record in self.records)

    @property
    def success_rate(self) -> float:
        """Share of successes, a fraction."""
        return self.successes / self.episodes

    @property
    def success_low(self) -> float:
        """Lower end of the 95% Wilson interval of the success rate."""
        return wilson_interval(self.successes, self.episodes)[0]

    @property
    def success_high(self) -> float:
        """Upper end of the 95% Wilson interval of the success rate."""
        return wilson_interval(self.successes, self.episodes)[1]

    @property
    def returns(self) -> list[float]:
        """The returns of the episodes that have rewards."""
        return [record.returns for record in self.records if record.returns is not None]

    @property
    def mean_return(self) -> float | None:
        """Mean of the returns; None where there are no rewards."""
        return float(np.mean(self.returns)) if self.returns else None

    @property
    def lengths(self) -> list[int]:
        """Numbers of actions of the episodes that were not given up."""
        return [record.length for record in self.records if not record.error]

    @property
    def mean_length(self) -> float:
        """Mean number of actions; 0 when all episodes were given up."""
        return float(np.mean(self.lengths)) if self.lengths else 0.0

    def summary(self, checkpoint: str = "") -> dict[str, Any]:
        """Returns the values of `summary.json`."""
        return {
            "success_rate": self.success_rate,
            "success_low": self.success_low,
            "success_high": self.success_high,
            "episodes": self.episodes,
            "checkpoint": checkpoint,
            "seed": self.seed,
            "truncated": sum(record.truncated for record in self.records),
            "crashed": self.crashed,
            "reduce_returns": self.reduce_returns,
            "returns": _describe(self.returns),
            "lengths": _describe(self.lengths),
        }

    def save(
        self, folder: str | os.PathLike[str], checkpoint: str | os.PathLike[str] = "", extra: Mapping[str, Any] | None = None
    ) -> Path:
        """Writes `episodes.jsonl`, then `summary.json`: a folder with a summary is whole.

        Args:
            folder: Made when missing.
            checkpoint: The checkpoint that was evaluated.
            extra: More values for the summary.

        Returns:
            The path of the summary.

        Raises:
            EvaluationError: When a key of `extra` is one of the summary's own.
        """
        summary = self.summary(os.fspath(checkpoint))
        taken = sorted(set(summary) & set(extra or {}))
        if taken:
            raise EvaluationError("Evaluation.save: extra", f"key '{taken[0]}'", "none of " + ", ".join(summary))
        target = Path(folder)
        with atomic_write(target / EPISODES_FILE, "w") as file:
            file.writelines(json.dumps(asdict(record)) + "\n" for record in self.records)
        with atomic_write(target / SUMMARY_FILE, "w") as file:
            file.write(json.dumps({**summary, **(extra or {})}, indent=2) + "\n")
        return target / SUMMARY_FILE


def evaluate(
    env: Env | VectorEnv,
    policy: Policy,
    model: Model | None = None,
    *,
    episodes: int,
    seed: int,
    presets: Sequence[Mapping[str, Any] | None] | None = None,
    goal_policy: Policy | None = None,
    reward: Reward | None = None,
    recorders: Sequence[Recorder] = (),
    max_steps: int = 0,
    retries: int = 2,
    progress: Progress | None = None,
    reduce_returns: str = "sum",
) -> Evaluation:
    """Runs `episodes` seeded episodes and keeps a record of each; the episodes themselves go to the recorders only.

    An episode that was given up, for its env failed at every attempt, counts as failed.

    Args:
        presets: Starts, one for each episode; a shorter list is gone through again and again (a sweep). When None those of
            the env (`Env.get_presets`), which are random ones for most.
        reduce_returns: How to make one number of an episode's rewards: `sum`, `mean`, `max` or `min`.
        The rest as for `RolloutLoop` and `run_episodes`.

    Raises:
        EvaluationError: For no episodes, an empty list of presets, or an unknown reduction.
    """
    if episodes < 1:
        raise EvaluationError("evaluate: episodes", str(episodes), "at least 1")
    if reduce_returns not in REDUCTIONS:
        raise EvaluationError("evaluate: reduce_returns", repr(reduce_returns), "one of " + ", ".join(REDUCTIONS))
    if presets is not None and not len(presets):
        raise EvaluationError("evaluate: presets", "an empty list", "at least one preset, or None")
    seeds = episode_seeds(seed, episodes)
    loop = RolloutLoop(
        env, policy, model, goal_policy=goal_policy, reward=reward, recorders=recorders, max_steps=max_steps, retries=retries
    )
    presets = loop.env.presets if presets is None else presets
    starts = None if presets is None else list(islice(cycle(presets), episodes))
    records = [make_record(index, episode, reduce_returns) for index, episode in run_loop(loop, seeds, starts, progress)]
    records += [EpisodeRecord(lost.index, seeds[lost.index], False, 0, None, False, lost.error.summary) for lost in loop.lost]
    return Evaluation(tuple(sorted(records, key=lambda record: record.index)), seed, reduce_returns)


def make_record(index: int, episode: Episode, reduce_returns: str = "sum") -> EpisodeRecord:
    """Returns what an evaluation keeps of an episode."""
    returns = float(REDUCTIONS[reduce_returns](episode.outputs["reward"])) if has(episode.outputs, "reward") else None
    seed = -1 if episode.seed is None else episode.seed
    return EpisodeRecord(index, seed, bool(episode.success), len(episode), returns, episode.truncated)


def wilson_interval(successes: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Returns the score interval of a share.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927) 209-212.

    Args:
        successes: Number of successes among `n` trials.
        z: Standard normal quantile; 1.96 for 95%.

    Raises:
        EvaluationError: Unless `0 <= successes <= n` and `n >= 1`.
    """
    if n < 1 or not 0 <= successes <= n:
        raise EvaluationError("wilson_interval", f"{successes} successes of {n}", "0 <= successes <= n and n >= 1")
    share = successes / n
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Exact ends where rounding would leave 1e-17 or go beyond the unit interval.
    return (0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def load_evaluation(folder: str | os.PathLike[str]) -> Evaluation:
    """Reads what `Evaluation.save` wrote.

    Raises:
        EvaluationError: When a file is missing or damaged, or the two disagree.
    """
    summary_path, episodes_path = Path(folder) / SUMMARY_FILE, Path(folder) / EPISODES_FILE
    for path in (summary_path, episodes_path):
        if not path.is_file():
            raise EvaluationError(str(path), "no such file", "the folder of a finished evaluation", "run the evaluation again")
    try:
        summary = json.loads(summary_path.read_text(encoding="utf-8"))
        seed, count, reduce_returns = int(summary["seed"]), int(summary["episodes"]), str(summary["reduce_returns"])
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            str(summary_path), f"not a summary ({type(error).__name__}: {error})", "the file that Evaluation.save wrote"
        ) from error
    records = tuple(
        _read_record(line, f"{episodes_path}, line {number}")
        for number, line in enumerate(episodes_path.read_text(encoding="utf-8").splitlines(), start=1)
    )
    if len(records) != count:
        raise EvaluationError(str(episodes_path), f"{len(records)} episodes", f"{count}, as the summary says")
    return Evaluation(records, seed, reduce_returns)


def _read_record(line: str, where: str) -> EpisodeRecord:
    names = {field.name for field in fields(EpisodeRecord)}
    optional = {field.name for field in fields(EpisodeRecord) if field.default is not MISSING}
    try:
        values = json.loads(line)
    except ValueError as error:
        raise EvaluationError(where, f"not JSON ({error})", "one episode") from error
    if not isinstance(values, dict) or set(values) | optional != names:
        raise EvaluationError(
            where, f"keys {sorted(values) if isinstance(values, dict) else type(values).__name__}", f"keys {sorted(names)}"
        )
    return EpisodeRecord(**values)


def _describe(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    array = np.asarray(values, dtype=np.float64)
    return {"mean": float(array.mean()), "std": float(array.std()), "min": float(array.min()), "max": float(array.max())}
