"""A policy that acts through a server: every verb then acts with a model that another process, or machine, holds."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.policy import Policy, PolicyError
from muse.serving.client import PolicyClient
from muse.serving.protocol import HOST, PORT, ServingError
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, flatten, nest


class RemotePolicy(Policy):
    """Asks a `PolicyServer` for the actions of all rows, and says what its policy says.

        muse serve exp=<folder>
        muse eval exp=<folder> %policy cfgs/policy/remote.py

    Connects when it is built, and checks there that the server's policy is one for this env: names, shapes, types, units, limits.
    With the same seeds the episodes are those of the policy itself, up to the rounding of a batched matmul. A connection that is lost
    costs the episodes that run: every action raises until all rows begin anew, which connects to the server that is there then.

    Raises:
        ConnectError: At construction, without a server.
        ServingError: At construction, where the spec does not fit; later, for what `PolicyClient` raises.
    """

    uses_model = False

    predefined_arguments = [
        *Policy.predefined_arguments,
        Argument("host", type=str, default=HOST, help="machine that serves"),
        Argument("port", type=int, default=PORT, help="port that it serves on"),
        Argument("socket", type=str, help="path of a Unix socket, instead of host and port"),
        Argument("answer_timeout", type=float, default=30.0, help="how long an answer may take", unit="s"),
        Argument("connect_timeout", type=float, default=5.0, help="how long connecting may take", unit="s"),
    ]

    host: str
    port: int
    socket: str | None
    answer_timeout: float
    connect_timeout: float

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        if is_goal:
            raise PolicyError("RemotePolicy", "used for goals", "the group 'policy'", "a goal policy on this machine")
        self._client = PolicyClient(
            self.host, self.port, path=self.socket, timeout=self.answer_timeout, connect_timeout=self.connect_timeout
        )
        weakref.finalize(self, self._client.close)
        self._check_names()
        #: Actions taken since each row began, `(B,)`.
        self.steps = np.zeros(0, np.int64)

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model here."""
        action = self._client.act_rows(*self._known(obs, goal))
        self.steps += 1
        return nest(action)

    def get_action_chunk(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action_chunk`. Uses no model here."""
        chunk = self._client.act_rows(*self._known(obs, goal), chunk=True)
        self.steps += 1
        return nest(chunk)

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """See `Policy.reset_policy`. After a lost connection it connects anew where all rows begin: there is no memory to lose.

        Raises:
            ConnectError, ServingError: As at construction, and where another policy is served than before.
        """
        if not self._client.is_connected and (rows is None or np.all(rows)):
            before = self._client.about
            self._client.connect()
            try:
                self._check_names()
                if self._client.about != before:
                    raise ServingError(self._client.address, f"now serves {self._client.about}", f"{before}, as before")
            except ServingError:
                self._client.close()
                self._client.about = before
                raise
        self._client.reset_rows(rows, seeds)
        begun = np.ones(len(self.steps) or len(seeds or (None,)), bool) if rows is None else np.asarray(rows)
        self.steps = np.where(begun, 0, self.steps if len(self.steps) == len(begun) else 0).astype(np.int64)

    def is_terminated(self, model: Model | None, obs: Batch, goal: Batch) -> np.ndarray:
        """Returns `(B,)` bool: rows whose episode the server's policy ends, and those with `timeout` actions."""
        ended = self._client.ended_rows(*self._known(obs, goal))
        return ended | (self.steps >= self.timeout) if self.timeout > 0 else ended

    def _check_names(self) -> None:
        self._client.check_names(self.env_spec.leaf(name) for name in self.env_spec.all_names)

    def _known(self, obs: Batch, goal: Batch) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns what the server knows of an observation and a goal, flat."""
        leaves = self._client.leaves
        seen, wanted = ({name: value for name, value in flatten(part).items() if name in leaves} for part in (obs, goal))
        return seen, wanted
