"""The robot's side: asks a server for actions. Needs numpy and nothing else of what Muse needs.

    with PolicyClient("gpu-machine", 6280) as client:
        client.reset(seed=0)
        while running:
            action = client.get_action({"ego": ego, "target": target})   # leaves (*shape), no batch dimension
            robot.apply(action["action"])

Batches are flat dicts of numpy arrays by slash path. What the policy reads and what it makes is in `client.reads` and `client.actions`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from muse.serving.protocol import HOST, PORT, ConnectionLostError, Message, ProtocolError, ServingError, receive, send
from muse.serving.remote_leaf import RemoteLeaf
from muse.serving.sockets import connect_to
from muse.utils.errors import brief, nearest

Flat = dict[str, np.ndarray]


class ConnectError(ServingError):
    """No server of Muse where one was expected."""


class LateAnswerError(ServingError):
    """An answer that did not come in time."""


class RemoteError(ServingError):
    """What the server says is wrong with a request.

    Args:
        error: Name of the class that was raised there.
    """

    def __init__(self, where: str, got: str, expected: str = "", hint: str = "", error: str = "ServingError") -> None:
        super().__init__(where, got, expected, hint)
        self.error = error


class PolicyClient:
    """A connection to a `PolicyServer`, which keeps a memory of its own for it.

    The memory is that of one robot after `reset`, and of `B` rows after `reset_rows`. After a lost connection, or an answer that came
    late, everything raises until `connect` and another reset: the server has forgotten the episode. One thread uses a client at a time.

    Args:
        host, port: Where the server listens.
        path: Its Unix socket, instead of host and port.
        timeout: How long an answer may take [s].
        connect_timeout: How long connecting may take [s].

    Attributes:
        leaves: Every name that the server's policy knows.
        reads: Names that every observation (or its goal) must hold.
        actions: Names of the actions.
        about: What is served: `checkpoint`, `step`, `policy`, `model`, `muse`.

    Raises:
        ConnectError: When there is no server, or it speaks another version.
    """

    def __init__(
        self,
        host: str = HOST,
        port: int = PORT,
        *,
        path: str | None = None,
        timeout: float = 5.0,
        connect_timeout: float = 5.0,
    ) -> None:
        self.address = path if path is not None else f"{host}:{port}"
        self.timeout, self.connect_timeout = timeout, connect_timeout
        self._place: Any = path if path is not None else (host, port)
        self._socket: socket.socket | None = None
        self.leaves: dict[str, RemoteLeaf] = {}
        self.reads: tuple[str, ...] = ()
        self.actions: tuple[str, ...] = ()
        self.about: dict[str, Any] = {}
        self.connect()

    def connect(self) -> None:
        """Connects, anew where it was connected before, and asks what is served.

        Raises:
            ConnectError: When there is no server, it is busy, or it speaks another version.
        """
        self.close()
        hint = "muse serve exp=<folder> there, and the port or path that it prints"
        try:
            self._socket = connect_to(self._place, self.connect_timeout)
            self._socket.settimeout(self.connect_timeout)
            send(self._socket, Message("hello"))
            answer = receive(self._socket)
        except OSError as error:
            self.close()
            why = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise ConnectError(self.address, why, "a server of Muse", hint) from error
        except ServingError as error:
            self.close()
            raise ConnectError(self.address, error.got, error.expected or "a server of Muse", error.hint or hint) from error
        if answer is None or answer.kind != "welcome":
            self.close()
            if answer is not None and answer.kind == "error":
                raise _remote_error(answer, ConnectError)
            raise ConnectError(self.address, "another server, or one that is ending", "a server of Muse", hint)
        try:
            self._read_welcome(answer.values)
        except (KeyError, TypeError, ValueError) as error:
            self.close()
            raise ConnectError(self.address, brief(error, with_kind=True), "what a server of Muse says of itself") from error

    def _read_welcome(self, values: Mapping[str, Any]) -> None:
        leaves = [RemoteLeaf.from_dict(leaf) for leaf in values["leaves"]]
        self.leaves = {leaf.name: leaf for leaf in leaves}
        self.reads = tuple(map(str, values["reads"]))
        self.actions = tuple(map(str, values["actions"]))
        self.about = dict(values["about"])
        unknown = [name for name in (*self.reads, *self.actions) if name not in self.leaves]
        if unknown:
            raise ValueError(f"no leaf {unknown[0]!r} that it names")

    @property
    def is_connected(self) -> bool:
        """Whether a connection is open, as far as is known without asking."""
        return self._socket is not None

    def close(self) -> None:
        """Ends the connection; the server forgets what it knows of it. May be called twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> PolicyClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def check_names(self, leaves: Iterable[Any], where: str = "env_spec") -> None:
        """Checks that a world has what the policy reads and takes what it makes: names, shapes, types, units, limits.

        Args:
            leaves: `muse.specs.Leaf`, or `RemoteLeaf`, of the world.
            where: The world, for the message.

        Raises:
            ServingError: For the first thing that does not fit.
        """
        there = {leaf.name: leaf for leaf in leaves}
        for name in dict.fromkeys((*self.reads, *self.actions)):
            mine = self.leaves[name]
            if name not in there:
                raise ServingError(
                    f"{where}: '{name}'", f"missing{nearest(name, there)}", f"what the policy of {self.address} was made for"
                )
            other = there[name]
            for what, got, wanted in (
                ("shape", tuple(other.shape), mine.shape), ("type", other.dtype, mine.dtype), ("unit", other.unit, mine.unit),
            ):  # fmt: skip
                if got != wanted and not (what == "unit" and "" in (got, wanted)):
                    raise ServingError(
                        f"{where}: '{name}'", f"{what} {got}", f"{what} {wanted}, as the policy of {self.address} has it"
                    )
            for side in ("low", "high"):
                limit, own = (np.asarray(getattr(leaf, side)) for leaf in (other, mine))
                if not np.allclose(limit, own, rtol=1e-6, atol=1e-9):
                    raise ServingError(
                        f"{where}: '{name}'", f"{side} {limit.tolist()}", f"{side} {own.tolist()}, as the policy of {self.address} has it",
                        "the options of env_train that the server has",
                    )  # fmt: skip

    def reset(self, seed: int | None = None) -> None:
        """Begins an episode of one robot.

        Args:
            seed: Begins the random stream of a policy that draws; None where nothing is to be repeated.
        """
        self.reset_rows(np.ones(1, bool), [seed])

    def get_action(self, obs: Mapping[str, Any], goal: Mapping[str, Any] | None = None) -> Flat:
        """Returns the action of one robot, leaves `(*shape)`, in physical units within the limits of `leaves`.

        Args:
            obs, goal: Leaves `(*shape)`, flat; what can be cast to the leaf's type without loss is.

        Raises:
            ServingError: For a name that is missing, unknown or of another shape or type.
            RemoteError: When the server refuses it.
            LateAnswerError, ConnectionLostError: See the class.
        """
        return {name: value[0] for name, value in self.act_rows(*self._one_row(obs, goal)).items()}

    def get_action_chunk(self, obs: Mapping[str, Any], goal: Mapping[str, Any] | None = None) -> Flat:
        """Returns the actions of one robot for this step and those after it, leaves `(K, *shape)`; see `get_action`."""
        return {name: value[0] for name, value in self.act_rows(*self._one_row(obs, goal), chunk=True).items()}

    def is_terminated(self, obs: Mapping[str, Any], goal: Mapping[str, Any] | None = None) -> bool:
        """Returns whether the policy ends the episode in the state that `obs` tells of; see `get_action`."""
        return bool(self.ended_rows(*self._one_row(obs, goal))[0])

    def reset_rows(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """Begins episodes of rows, as `Policy.reset_policy` does."""
        values = {
            "rows": None if rows is None else np.asarray(rows).tolist(),
            "seeds": None if seeds is None else [None if seed is None else int(seed) for seed in seeds],
        }
        self._ask(Message("reset", values), "done")

    def act_rows(self, obs: Mapping[str, Any], goal: Mapping[str, Any], chunk: bool = False) -> Flat:
        """Returns actions of rows, leaves `(B, *shape)`, or `(B, K, *shape)` with `chunk`.

        Args:
            obs, goal: Leaves `(B, H, *shape)`, flat, as `Policy.get_action` takes them.
        """
        lead = ("B", "K") if chunk else ("B",)
        arrays = self._ask(Message("act_chunk" if chunk else "act", {}, _joined(obs, goal)), "action").arrays
        for name in self.actions:
            shape = arrays[name].shape if name in arrays else None
            if shape is None or shape[len(lead) :] != self.leaves[name].shape or 0 in shape[: len(lead)]:
                self.close()
                wanted = ", ".join(map(str, (*lead, *self.leaves[name].shape)))
                raise ProtocolError(f"answer of {self.address}: '{name}'", f"shape {shape}", f"({wanted})")
        return dict(arrays)

    def ended_rows(self, obs: Mapping[str, Any], goal: Mapping[str, Any]) -> np.ndarray:
        """Returns `(B,)` bool, as `Policy.is_terminated` does."""
        return np.asarray(self._ask(Message("is_terminated", {}, _joined(obs, goal)), "ended").arrays["ended"], bool)

    def _one_row(self, obs: Mapping[str, Any], goal: Mapping[str, Any] | None) -> tuple[Flat, Flat]:
        rows = []
        for what, batch in (("obs", obs), ("goal", goal or {})):
            rows.append({name: self._shaped(f"{what}: '{name}'", name, value)[None, None] for name, value in batch.items()})
        missing = [name for name in self.reads if not any(name in row for row in rows)]
        if missing:
            raise ServingError(f"obs: '{missing[0]}'", "missing", "all of " + ", ".join(self.reads))
        return rows[0], rows[1]

    def _shaped(self, where: str, name: str, value: Any) -> np.ndarray:
        if name not in self.leaves:
            raise ServingError(
                where, f"unknown to the policy{nearest(name, self.leaves)}", "some of " + ", ".join(self.leaves),
                "flat dicts, whose keys are whole paths",
            )  # fmt: skip
        leaf = self.leaves[name]
        array = np.asarray(value)
        if array.shape != leaf.shape:
            raise ServingError(where, f"shape {array.shape}", f"shape {leaf.shape}")
        if array.dtype != leaf.dtype:
            if not np.can_cast(array.dtype, leaf.dtype, "same_kind"):
                raise ServingError(where, f"type {array.dtype}", f"type {leaf.dtype}")
            array = array.astype(leaf.dtype)
        return array

    def _ask(self, message: Message, expected: str) -> Message:
        if self._socket is None:
            raise ConnectionLostError(self.address, "not connected", "a connection", "client.connect(), then client.reset()")
        try:
            self._socket.settimeout(self.timeout)
            send(self._socket, message)
            answer = self._receive(self._socket)
        except TimeoutError as error:
            self.close()
            raise LateAnswerError(
                self.address, f"no answer to '{message.kind}' for {self.timeout:g} s", "one in time",
                "a longer timeout, or client.connect() and client.reset()",
            ) from error  # fmt: skip
        except ConnectionLostError:
            answer = None
        except BaseException as error:
            # Ctrl-C while an answer is on its way: it would be taken for that of the next question.
            if not isinstance(error, ProtocolError):
                self.close()
            raise
        if answer is None:
            self.close()
            raise ConnectionLostError(
                self.address, f"the server ended the connection before it answered '{message.kind}'", "an answer",
                "look at what the server prints; client.connect() and client.reset() when it runs again",
            )  # fmt: skip
        if answer.kind == "error":
            if answer.values.get("closes"):
                self.close()
            raise _remote_error(answer, RemoteError)
        if answer.kind != expected:
            self.close()
            raise ProtocolError(self.address, f"the answer '{answer.kind}' to '{message.kind}'", f"'{expected}'")
        return answer

    def _receive(self, sock: socket.socket) -> Message | None:
        try:
            return receive(sock)
        except ProtocolError:
            self.close()
            raise


def _joined(obs: Mapping[str, Any], goal: Mapping[str, Any]) -> Flat:
    return {f"{part}/{name}": value for part, batch in (("obs", obs), ("goal", goal)) for name, value in batch.items()}


def _remote_error(answer: Message, cls: type[ServingError]) -> ServingError:
    where, got, expected, hint = (str(answer.values.get(part, "")) for part in ("where", "got", "expected", "hint"))
    where = f"the server, {where}"
    if issubclass(cls, RemoteError):
        return cls(where, got, expected, hint, str(answer.values.get("error", "")))
    return cls(where, got, expected, hint)
