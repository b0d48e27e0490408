"""Which episodes succeeded, where the data tells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.numbers import rows_all

#: Last parts of names that tell.
_NAMES = ("success", "is_success", "succeeded")


class Success(NamedTuple):
    """Which episodes succeeded.

    Attributes:
        values: `(E,)` bool.
        source: What tells, in words.
    """

    values: np.ndarray
    source: str


def success_of(data: EpisodeData) -> Success | None:
    """Returns which episodes succeeded; None where the data does not tell.

    In this order: a one-time name such as `final/success`; the last row of a step name such as `success`; a collection that kept
    successes alone (`muse collect --only_successful`); rewards that are a verdict, 0 and 1 and not 1 from the first row on: then the
    last one counts.
    """
    for names, rows in ((data.onetime, slice(None)), (data.steps, data.ends - 1)):
        for name, array in names.items():
            if name.rpartition("/")[2] in _NAMES and array.dtype.kind in "biuf":
                told = np.asarray(array[rows])
                return Success(~rows_all(told <= 0), f"'{name}'")
    collection = data.meta.get("collection")
    if isinstance(collection, dict) and collection.get("only_successful") is True:
        return Success(np.ones(len(data.ends), bool), "collected with --only_successful")
    return _from_rewards(data)


def _from_rewards(data: EpisodeData) -> Success | None:
    reward = data.steps.get("reward")
    if reward is None or reward.dtype.kind not in "biuf" or reward.size != data.num_rows or not len(data.ends):
        return None
    rewards = np.ravel(reward)
    first, lengths = data.ends - np.diff(data.ends, prepend=0), np.diff(data.ends, prepend=0)
    if not np.isin(rewards, (0, 1)).all() or (rewards[first[lengths > 1]] == 1).any():
        return None
    return Success(rewards[data.ends - 1] == 1, "'reward' of the last row")
