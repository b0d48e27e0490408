"""Stepping an env while a model learns, and keeping the episodes that end."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from muse.datasets.dataset import Dataset
from muse.envs.vector_env import VectorEnv
from muse.models.model import Model
from muse.policies.policy import Policy
from muse.rollouts.evaluation import make_record
from muse.rollouts.loop import RolloutLoop
from muse.specs import Episode
from muse.trainers.checkpoint import read_values, write_values
from muse.utils.attrdicts import flatten, nest
from muse.utils.seeding import derive_seed

if TYPE_CHECKING:
    from muse.rewards.reward import Reward

_log = logging.getLogger(__name__)


class Collector:
    """Steps the envs of a `VectorEnv` and hands the episodes that end to a dataset.

    An env in the middle of an episode cannot be saved. So that a resumed run is the run that never stopped, episodes in progress
    are left, and new ones begin, at every scheduled save (`restart`); also when another policy takes over, and after an
    evaluation, which may use the same policy. The seeds of the new episodes are a function of (seed, step of the restart).

    Args:
        name: `env_train` or `env_holdout`.
        env: The envs.
        policy: Acts.
        random_policy: Acts while the trainer explores at random; None where it never does.
        goal_policy, reward: As for `RolloutLoop`.
        dataset: Gets the episodes; None for none.
        seed: Root of the seeds of the episodes.
        folder: Where the episodes are kept that a resumed run needs again.
    """

    def __init__(
        self,
        name: str,
        env: VectorEnv,
        policy: Policy,
        *,
        random_policy: Policy | None,
        goal_policy: Policy | None,
        reward: Reward | None,
        dataset: Dataset | None,
        seed: int,
        folder: Path,
    ) -> None:
        self.name, self.env, self.policy, self.random_policy = name, env, policy, random_policy
        self.goal_policy, self.reward, self.dataset, self.seed, self.folder = goal_policy, reward, dataset, seed, folder
        self.env_steps = 0
        self._sums = {"episodes": 0.0, "success": 0.0, "returns": 0.0, "length": 0.0}
        self._unsaved: list[Episode] = []
        self._loop: RolloutLoop | None = None
        self._restarted_at = 0
        self._has_ended = self._has_warned = False

    def restart(self, step: int) -> None:
        """Leaves the episodes in progress; new ones begin with the next step."""
        if self._loop is not None and not self._has_ended and not self._has_warned:
            _log.warning(
                "%s: no episode ended between steps %d and %d, where all begin anew; save or evaluate less often, or step more",
                self.name, self._restarted_at, step,
            )  # fmt: skip
            self._has_warned = True
        self._loop = None
        self._has_ended = False
        self._restarted_at = step

    def advance(self, model: Model | None, count: int, is_random: bool) -> None:
        """Steps every env `count` times."""
        policy = self.random_policy if is_random and self.random_policy is not None else self.policy
        if self._loop is None or self._loop.policy is not policy:
            self._loop = RolloutLoop(self.env, policy, model, goal_policy=self.goal_policy, reward=self.reward)
            path = (self.name, "collect", self._restarted_at, "random" if is_random else "policy")
            self._loop.start(derive_seed(self.seed, *path, i) % 2**31 for i in itertools.count())
        for _ in range(count):
            self.env_steps += 1
            for episode in self._loop.step():
                self._take(episode)

    def _take(self, episode: Episode) -> None:
        self._has_ended = True
        record = make_record(0, episode)
        for name, value in {
            "episodes": 1.0,
            "success": record.success,
            "returns": record.returns or 0.0,
            "length": record.length,
        }.items():
            self._sums[name] += value
        if self.dataset is not None:
            self.dataset.add_episode(episode)
            self._unsaved.append(episode)

    def pop_means(self) -> dict[str, float]:
        """Returns success, returns and length, means over the episodes that ended since the last call; nothing without any."""
        count = self._sums["episodes"]
        means = (
            {f"{self.name}/{name}": value / count for name, value in self._sums.items() if name != "episodes"} if count else {}
        )
        self._sums = dict.fromkeys(self._sums, 0.0)
        return means

    def save(self, step: int) -> None:
        """Writes the episodes that ended since the last save."""
        if self._unsaved:
            episodes = [_episode_to_values(episode) for episode in self._unsaved]
            write_values(self.folder / f"{self.name}_{step:010d}.pt", f"episodes of {self.name}", step, {"episodes": episodes})
            self._unsaved = []

    def state(self) -> dict[str, Any]:
        """Returns plain values; the episodes themselves are in the files of `save`."""
        return {"env_steps": self.env_steps, "sums": dict(self._sums)}

    def load_state(self, step: int, state: Mapping[str, Any]) -> None:
        """Reverses `state`, and gives the dataset the episodes that it had after `step` steps."""
        self.env_steps, self._sums = state["env_steps"], dict(state["sums"])
        self.load_episodes(step)
        self.restart(step)

    def load_episodes(self, step: int) -> None:
        """Gives the dataset the episodes saved up to `step`, in their order, and deletes the later ones."""
        for path in sorted(self.folder.glob(f"{self.name}_*.pt")):
            values = read_values(path, f"episodes of {self.name}")
            if values["step"] > step:
                path.unlink()
            elif self.dataset is not None:
                for episode in values["episodes"]:
                    self.dataset.add_episode(_episode_from_values(episode))


def _episode_to_values(episode: Episode) -> dict[str, Any]:
    parts = {"inputs": episode.inputs, "outputs": episode.outputs, "onetime": episode.onetime}
    values: dict[str, Any] = {
        key: _map(flatten(part), lambda array: torch.from_numpy(np.array(array))) for key, part in parts.items()
    }
    return {**values, "success": episode.success, "seed": episode.seed}


def _episode_from_values(values: Mapping[str, Any]) -> Episode:
    parts = [nest(_map(values[key], lambda tensor: tensor.numpy())) for key in ("inputs", "outputs", "onetime")]
    return Episode(*parts, values["success"], values["seed"])


def _map(values: Mapping[str, Any], fn: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: fn(value) for name, value in values.items()}
