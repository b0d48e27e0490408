"""What the scripted experts of the worlds of blocks have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.row_policy import RowPolicy, check_reads
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, has

#: The grab action that holds, and the one that lets go.
HOLD, LET_GO = 500.0, 0.0


class BlockPolicy(RowPolicy, ABC):
    """Drives the ego of a world of blocks; a subclass says where to.

    Its action is a function of the present observation alone. Noise is part of the action, so what is recorded is what was done.

    Writes `action` `(3,)`: velocity of the ego along x and y [px/s], and the grab.
    """

    uses_model = False

    predefined_arguments = RowPolicy.predefined_arguments + [
        Argument("gain", type=float, default=8.0, help="velocity for each px of way to go", unit="1/s"),
        Argument("ego_size", type=float, default=40.0, help="side of the ego", unit="px"),
        Argument("block_size", type=float, default=40.0, help="side of blocks whose size is not observed", unit="px"),
        Argument("action_noise_std", type=float, default=0.0, help="noise on the velocity, as a fraction of its limit"),
    ]

    gain: float
    ego_size: float
    block_size: float
    action_noise_std: float

    #: Observations that it reads.
    reads: tuple[str, ...] = ()
    #: Env that it is for, for messages.
    env_name = "BlockEnv2D"

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        shapes = {**dict.fromkeys(self.reads), "action": (3,)}
        check_reads(env_spec, shapes, type(self).__name__, f"an env such as {self.env_name}")
        self.speed = float(env_spec.leaf("action").high[0])
        #: Where the middle of the ego can be `(2,)` [px].
        self.low = np.full(2, self.ego_size / 2)
        self.high = np.asarray(env_spec.leaf("position").high, np.float64) - self.ego_size / 2

    @abstractmethod
    def act(self, seen: Mapping[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """Returns velocity `(2,)` [px/s] and grab of one row.

        Args:
            seen: What `reads` names, and `block_sizes` `(n, 2)`, in float64 and without batch dimension.
        """

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model."""
        seen_rows = self.see_rows(obs)
        self.count_rows(len(seen_rows))
        actions = np.zeros((len(seen_rows), 3))
        for row, seen in enumerate(seen_rows):
            velocity, grab = self.act(seen)
            # Slower along both axes, not along one alone: the way stays straight.
            actions[row, :2] = velocity / max(1.0, np.abs(velocity).max() / self.speed)
            actions[row, 2] = grab
        if self.action_noise_std > 0:
            actions[:, :2] += self.action_noise_std * self.speed * self.draw_normal(2)
        return self.finish({"action": actions})

    def see_rows(self, obs: Batch) -> list[dict[str, np.ndarray]]:
        """Returns what `act` is given of each of `B` rows, from an observation as `get_action` takes it."""
        columns = {name: np.asarray(obs[name][:, -1], np.float64) for name in self.reads}
        if has(obs, "block_sizes"):
            columns["block_sizes"] = np.asarray(obs["block_sizes"][:, -1], np.float64)
        elif "block_positions" in columns:
            columns["block_sizes"] = np.full(columns["block_positions"].shape, self.block_size)
        return [{name: value[row] for name, value in columns.items()} for row in range(len(columns[self.reads[0]]))]
