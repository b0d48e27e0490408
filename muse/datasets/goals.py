"""Goals that a batch takes from the episodes of its own windows (hindsight), instead of the recorded ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.windows import Located
from muse.specs import EnvSpec, Leaf
from muse.specs.leaf import GOAL_PREFIX
from muse.utils.abstract import Argument, BaseClass
from muse.utils.attrdicts import flatten
from muse.utils.errors import nearest
from muse.utils.seeding import hashed_uniform


class GoalRelabelling(BaseClass):
    """Which row of its episode each row of a batch has for its goal. `names` says what of that row becomes which goal.

    A goal lies behind its *anchor*: each row has a goal of its own (`per="row"`, the row is the anchor), or all rows of a window
    share one (`per="window"`, the window's last row is). With `room` the rows from the anchor to the last row of the episode, or
    of the interaction that the window lies in (`within`), the goal lies `k` rows behind the anchor:

        choose="last"       k = room
        choose="offset"     k = min(offset, room)
        choose="uniform"    k uniform in 1 ... room
        choose="geometric"  k = min(j, room), j = 1, 2, ... with the chance (1 - gamma) * gamma^(j - 1)

    and `k` is 0 where `room` is. What is random is a function of (sampler's seed and state, window, row) in training, so that a
    window gets new goals each time it is drawn and a resumed run gets the same ones; `get_batch` of given windows gives the same
    goals each time, a function of (`seed`, window, row). A row that is padding has the goal of the row that it repeats.

    Args:
        params: The options.
        env_spec: Knows the names that goals are taken from.

    Raises:
        DataError: For options that contradict one another, or a name that the spec does not know.
    """

    predefined_arguments = [
        Argument("names", required=True, help="dict: name of the goal -> step name that it is taken from"),
        Argument(
            "choose", type=str, default="uniform", choices=("last", "offset", "uniform", "geometric"), help="which later row"
        ),
        Argument("per", type=str, default="window", choices=("window", "row"), help="what has a goal of its own"),
        Argument(
            "within",
            type=str,
            default="episode",
            choices=("episode", "interaction"),
            help="where the last row is that may be chosen",
        ),
        Argument("offset", type=int, default=0, help="rows behind the anchor, for choose=offset", unit="rows"),
        Argument("gamma", type=float, default=0.98, help="for choose=geometric: the mean look-ahead is 1 / (1 - gamma) rows"),
        Argument(
            "recorded", type=list, default=[], element_type=str, help="goals that the data hold too: episodes and files keep them"
        ),
        Argument("seed", type=int, default=0, help="of the goals of windows that are asked for by number"),
    ]

    names: dict[str, str]
    choose: str
    per: str
    within: str
    offset: int
    gamma: float
    recorded: list[str]
    seed: int

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        self.read_predefined_params(params)
        self.names = flatten(self.names) if isinstance(self.names, Mapping) else {}
        if not self.names or not all(isinstance(source, str) for source in self.names.values()):
            raise DataError("GoalRelabelling: 'names'", repr(params["names"]), "a dict {goal: step name}")
        for name in self.names.values():
            if name not in env_spec.names or name in self.names:
                got = f"'{name}'{nearest(name, env_spec.names)}"
                raise DataError(
                    "GoalRelabelling: 'names'", got, "a step name that is no goal of these: " + ", ".join(env_spec.names)
                )
        for name in self.recorded:
            if name not in self.names:
                raise DataError("GoalRelabelling: 'recorded'", f"'{name}'", "goals of 'names': " + ", ".join(self.names))
        if self.offset < 0:
            raise DataError("GoalRelabelling: 'offset'", str(self.offset), "0 rows or more")
        if not 0 < self.gamma < 1:
            raise DataError("GoalRelabelling: 'gamma'", str(self.gamma), "between 0 and 1")
        self.env_spec = env_spec

    @property
    def leaves(self) -> list[Leaf]:
        """The goals that the spec does not know, each shaped as what it is taken from.

        Raises:
            DataError: For one that it knows with another shape or type.
        """
        new = []
        for name, source in self.names.items():
            leaf = self.env_spec.leaf(source)
            if name not in self.env_spec:
                new.append(replace(leaf, name=name, role="goal" if name.startswith(GOAL_PREFIX) else ""))
            elif (there := self.env_spec.leaf(name)) and (there.shape, there.dtype) != (leaf.shape, leaf.dtype):
                got = f"'{name}' of shape {there.shape} {there.dtype} from '{source}' of shape {leaf.shape} {leaf.dtype}"
                raise DataError("GoalRelabelling: 'names'", got, "one shape and type")
        return new

    def rows(self, located: Located, windows: np.ndarray, key: int) -> np.ndarray:
        """Returns the rows of the store that goals are taken from, `(B, H)`, or `(B, 1)` where all rows of a window have one goal.

        Args:
            located: The rows of the windows.
            windows: `(B,)`, numbers of the windows among all that there ever were.
            key: What is random is a function of it, the window and the row.
        """
        anchor = located.rows if self.per == "row" else located.rows[:, -1:]
        last = located.last if self.within == "episode" else located.segment_last
        room = last - anchor
        if self.choose == "last":
            return last
        if self.choose == "offset":
            return anchor + np.minimum(self.offset, room)
        # Counted in the episode: a row has the same number when older episodes have left.
        drawn = hashed_uniform(key, windows[:, None], anchor - located.first)
        if self.choose == "uniform":
            ahead = 1 + (drawn * room).astype(np.int64)
        else:
            ahead = 1 + np.floor(np.log1p(-drawn) / np.log(self.gamma)).astype(np.int64)
        return anchor + np.minimum(ahead, room)
