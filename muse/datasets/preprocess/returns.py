"""Sums of rewards to come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.preprocess.preprocessor import Preprocessor
from muse.specs import EnvSpec, Leaf
from muse.utils.abstract import Argument

_NEXT = "next/"


class RewardToGo(Preprocessor):
    """The discounted sum of the rewards from each row to the end of its episode, `R[t] = r[t] + gamma * R[t + 1]`.

    Nothing is assumed to follow the last row, whether the task or a limit ended the episode.
    """

    predefined_arguments = [
        Argument("reward_name", type=str, default="reward", help="the reward that a step returned"),
        Argument("gamma", type=float, default=1.0, help="discount of a reward for each row that it is away, 0 to 1"),
        Argument("name", type=str, default="reward_to_go", help="the name to make, float32, shaped as the reward"),
    ]

    reward_name: str
    gamma: float
    name: str

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        _check_gamma(self, self.gamma)

    @property
    def reads(self) -> tuple[str, ...]:
        """The reward."""
        return (self.reward_name,)

    @property
    def leaves(self) -> list[Leaf]:
        """`name`."""
        return [_float_leaf(self.name, self.env_spec.leaf(self.reward_name).shape, "rewards from here to the end, discounted")]

    def process(
        self, steps: Mapping[str, np.ndarray], onetime: Mapping[str, np.ndarray], ends: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Sums; see `Preprocessor.process`."""
        found = steps[self.reward_name].astype(np.float64)
        for rows in _from_the_end(ends):
            found[rows] += self.gamma * found[rows + 1]
        return {self.name: found.astype(np.float32)}


class NStepReward(Preprocessor):
    """What a value function learns from that looks `n` rows ahead: the rewards on the way, and from where to go on.

    Row `t` of an episode with `T` rows looks `m = min(n, T - t)` rows ahead. With `r` the rewards, `s` the observations and `V`
    the value of one, the target is

        y[t] = reward[t] + discount[t] * V(s[t + offset[t]])

        reward[t]   = r[t] + gamma * r[t + 1] + ... + gamma^(m - 1) * r[t + m - 1]
        discount[t] = gamma^m where t + m < T, 0 where the look-ahead reaches the end of an episode that the task ended
        offset[t]   = min(n, T - 1 - t)

    What a limit ended (`truncated` in its last row) would have gone on, but the observation behind the last row was not
    recorded: there the look-ahead stops at the last row, `m = min(n, T - 1 - t)`. In the last row itself it sees nothing: `m` is
    0, the reward 0, the discount 1 and the target the row's own value.

    Names made: `<prefix>/reward` float32 and `<prefix>/discount` float32, shaped as the reward; `<prefix>/offset` int64 `()`,
    in rows; and `next/<name>`, row `t + offset[t]` of each of `next_names`.
    """

    predefined_arguments = [
        Argument("n", type=int, default=1, help="rows to look ahead", unit="rows"),
        Argument("gamma", type=float, default=0.99, help="discount of a reward for each row that it is away, 0 to 1"),
        Argument("reward_name", type=str, default="reward", help="the reward that a step returned"),
        Argument(
            "truncated_name",
            type=str,
            default="truncated",
            help="true in the last row where a limit ended the episode; none: never",
        ),
        Argument("next_names", type=list, default=[], element_type=str, help="names to copy from the row looked ahead to"),
        Argument("prefix", type=str, default="n_step", help="first part of the names made"),
    ]

    n: int
    gamma: float
    reward_name: str
    truncated_name: str | None
    next_names: list[str]
    prefix: str

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        _check_gamma(self, self.gamma)
        if self.n < 1:
            raise DataError("NStepReward: 'n'", str(self.n), "at least 1 row")

    @property
    def reads(self) -> tuple[str, ...]:
        """The reward, what tells of a limit, and `next_names`."""
        return (self.reward_name, *([self.truncated_name] if self.truncated_name else []), *self.next_names)

    @property
    def leaves(self) -> list[Leaf]:
        """The names that the class says."""
        shape = self.env_spec.leaf(self.reward_name).shape
        return [
            _float_leaf(f"{self.prefix}/reward", shape, f"sum of up to {self.n} rewards from here, discounted"),
            _float_leaf(f"{self.prefix}/discount", shape, "discount of the value of the row looked ahead to"),
            Leaf(f"{self.prefix}/offset", (), 0, self.n, np.dtype(np.int64), "rows", "", "rows to the row looked ahead to"),
            *(replace(self.env_spec.leaf(name), name=_NEXT + name, role="") for name in self.next_names),
        ]

    def process(
        self, steps: Mapping[str, np.ndarray], onetime: Mapping[str, np.ndarray], ends: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Sums; see `Preprocessor.process`."""
        rewards = steps[self.reward_name].astype(np.float64)
        rows, count = np.arange(len(rewards)), len(rewards)
        left = np.repeat(ends, np.diff(ends, prepend=0)) - rows
        limited = np.zeros(len(ends), bool)
        if self.truncated_name:
            limited = steps[self.truncated_name][ends - 1].reshape(len(ends), -1).any(axis=1)
        limited = np.repeat(limited, np.diff(ends, prepend=0))
        seen = np.minimum(self.n, left - limited)
        total = np.zeros_like(rewards)
        column = (count, *(1,) * (rewards.ndim - 1))
        for k in range(int(seen.max())):
            looking = rows[seen > k]
            total[looking] += self.gamma**k * rewards[looking + k]
        discount = np.where(seen < left, self.gamma ** seen.astype(np.float64), 0.0).reshape(column)
        offset = np.minimum(self.n, left - 1)
        return {
            f"{self.prefix}/reward": total.astype(np.float32),
            f"{self.prefix}/discount": np.broadcast_to(discount, rewards.shape).astype(np.float32),
            f"{self.prefix}/offset": offset,
            **{_NEXT + name: steps[name][rows + offset] for name in self.next_names},
        }


def _from_the_end(ends: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the second last row of every episode that has one, then the third last, and so on."""
    lengths = np.diff(ends, prepend=0)
    order = np.argsort(-lengths, kind="stable")
    ends, lengths = ends[order], lengths[order]
    for k in range(1, int(lengths[0])):
        yield ends[: np.searchsorted(-lengths, -k, side="left")] - 1 - k


def _check_gamma(preprocessor: Preprocessor, gamma: float) -> None:
    if not 0 <= gamma <= 1:
        raise DataError(f"{type(preprocessor).__name__}: 'gamma'", str(gamma), "from 0 to 1")


def _float_leaf(name: str, shape: tuple[int, ...], description: str) -> Leaf:
    return Leaf(name, shape, -np.inf, np.inf, np.dtype(np.float32), "", "", description)
