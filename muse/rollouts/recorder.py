"""The contract of recorders, which watch episodes as they happen. The loop that calls it (`muse.rollouts.loop`):

    recorder.start(env)                                 # once for each queue of episodes
    recorder.begin(row, index, seed)                    # env `row` was reset for episode `index`
    recorder.step(rows)                                 # the envs `rows` (B,) bool were stepped
    recorder.end(row, index, episode)                   # episode `index` ended; env `row` still shows its last state
    recorder.fail(row, index, is_lost)                  # or its env failed: it begins again, or never ends
    recorder.close()                                    # no more episodes; also after an error

Several recorders may watch one loop; none of them changes what happens. Where one asks the env for more (`env.render`), an env
that fails then answers nothing, and the loop sees to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from muse.envs.vector_env import VectorEnv
from muse.specs import Episode


class Recorder(ABC):
    """Is told of every episode of a `RolloutLoop`. `index` is the place of an episode's seed in the queue."""

    def start(self, env: VectorEnv) -> None:
        """A queue of episodes begins; their indices count from 0."""

    def begin(self, row: int, index: int, seed: int | None) -> None:
        """Env `row` was reset for episode `index`."""

    def step(self, rows: np.ndarray) -> None:
        """The envs of `rows` `(B,)` bool were stepped."""

    @abstractmethod
    def end(self, row: int, index: int, episode: Episode) -> None:
        """Episode `index` ended. Episodes end in any order."""

    def fail(self, row: int, index: int, is_lost: bool) -> None:
        """Env `row` failed in episode `index`, or in its reset, before it began; what was seen of it is void.

        Args:
            is_lost: The episode is given up and never ends. Else it begins again, from the same start.
        """

    def close(self) -> None:
        """Finishes files. May be called twice."""
