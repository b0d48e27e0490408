"""The side with the model: answers observations of several clients with actions.

    server = PolicyServer(make_policy, model, env_spec)     # make_policy() -> Policy, one for each connection
    server.listen(host="127.0.0.1", port=6280)
    ...                                                     # it answers, from threads of its own
    server.close()

What a client may ask, after `hello`: `reset` (rows, seeds), `act`, `act_chunk`, `is_terminated` (arrays `obs/<name>` and `goal/<name>`,
`(B, H, *shape)`). What it gets is an answer or an `error` with the parts of a `MuseError`; bytes that are no message end the connection.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from muse.models.model import Model
from muse.policies.policy import Policy
from muse.serving.protocol import HOST, PORT, ConnectionLostError, Message, ProtocolError, ServingError, receive, send
from muse.serving.sockets import describe_refusal, listen_at, prepare
from muse.specs import EnvSpec
from muse.utils.attrdicts import flatten, nest
from muse.utils.errors import MuseError, brief, nearest
from muse.utils.torch_utils import evaluation_mode

_log = logging.getLogger(__name__)

#: Rows of one client, at most.
MAX_ROWS = 4096
#: How long a message that has begun, or an answer, may take to go through [s].
_TRANSFER_TIMEOUT = 10.0


class PolicyServer:
    """Serves one model to several clients, each with a policy, and so a memory, of its own.

    Args:
        make_policy: Makes the policy of a connection.
        model: Given to the policies, one call at a time; None for policies that use none.
        env_spec: What the policies act by.
        about: Plain values told to clients: `checkpoint`, `step` ...
        max_clients: Connections at a time; a further one is refused.

    Attributes:
        address: Where it listens, `host:port` or a path, once it does.
        clients: Connections that are open.
        actions: How often actions were asked for, of all clients since it began.
    """

    def __init__(
        self,
        make_policy: Callable[[], Policy],
        model: Model | None,
        env_spec: EnvSpec,
        about: Mapping[str, Any] | None = None,
        max_clients: int = 16,
    ) -> None:
        self.make_policy, self.model, self.env_spec = make_policy, model, env_spec
        self.max_clients = max_clients
        self.address = ""
        self.actions = 0
        policy = make_policy()
        seen = (*env_spec.observation_names, *env_spec.param_names)
        #: Names that an observation may hold, and that it must.
        self.obs_names, self.goal_names = seen, env_spec.goal_names
        inputs = (*seen, *env_spec.goal_names) if model is None else model.input_names
        self.reads = tuple(name for name in inputs if name in seen or name in env_spec.goal_names)
        self.about = {"policy": type(policy).__name__, **(about or {})}
        self.about["model"] = None if model is None else type(model).__name__
        self.action_names = policy.output_names
        #: One forward at a time: clients share the model, and what torch is told for a forward holds for the whole process.
        self.turn = threading.Lock()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._path: str | None = None
        self._threads: dict[threading.Thread, socket.socket] = {}
        self._accepts: threading.Thread | None = None

    @property
    def clients(self) -> int:
        """Connections that are open."""
        with self._lock:
            return len(self._threads)

    def listen(self, host: str = HOST, port: int = PORT, path: str | None = None) -> str:
        """Begins to answer, in threads, and returns the address.

        Args:
            host, port: Where; port 0 takes a free one.
            path: Of a Unix socket, instead; only its owner may connect. One that a dead server left is replaced.

        Raises:
            ServingError: When the address cannot be had.
        """
        if not 0 <= port <= 65535:
            raise ServingError(f"{host}:{port}", "no port", "0 to 65535")
        try:
            if path is not None:
                self._listener = listen_at(path)
            else:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                self._listener = socket.create_server((host, port), family=family, backlog=64)
        except OSError as error:
            where, reason = path if path is not None else f"{host}:{port}", describe_refusal(error)
            raise ServingError(where, f"cannot listen there ({reason})", "a free address of this machine", "--port 0 for any free port") from error  # fmt: skip
        # Closing a socket wakes nobody up on some systems; looking now and then does on all.
        self._listener.settimeout(0.5)
        self._path = path
        self.address = path if path is not None else "{}:{}".format(*self._listener.getsockname()[:2])
        self._accepts = threading.Thread(target=self._accept, args=(self._listener,), name="muse-serve", daemon=True)
        self._accepts.start()
        return self.address

    def close(self) -> None:
        """Stops answering, ends every connection and waits for what is being computed. May be called twice."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        if self._accepts is not None:
            self._accepts.join()
        with self._lock:
            threads = dict(self._threads)
        for sock in threads.values():
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        if listener is not None and self._path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)

    def __enter__(self) -> PolicyServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is not None:
            try:
                sock, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                if self._listener is None:
                    return
                # Too many open files, or a client that went at once: the others are served on.
                _log.warning("a connection could not be accepted", exc_info=True)
                threading.Event().wait(0.1)
                continue
            thread = threading.Thread(target=self._serve, args=(sock,), name="muse-client", daemon=True)
            with self._lock:
                is_busy = len(self._threads) >= self.max_clients
                if not is_busy:
                    self._threads[thread] = sock
            if is_busy:
                with sock, contextlib.suppress(OSError, MuseError):
                    _send_away(sock, ServingError("connect", f"{self.max_clients} clients already", "fewer of them"))
                continue
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        """Answers one client until it goes; its policy goes with it."""
        try:
            with sock:
                prepare(sock)
                self._converse(sock)
        except (ConnectionLostError, OSError) as error:
            _log.info("a client has gone: %s", error)
        except Exception:
            _log.exception("a client was given up")
        finally:
            with self._lock:
                self._threads.pop(threading.current_thread(), None)

    def _converse(self, sock: socket.socket) -> None:
        client = _Client(self)
        try:
            while (message := receive(sock, _TRANSFER_TIMEOUT)) is not None:
                answer = client.answer(message)
                sock.settimeout(_TRANSFER_TIMEOUT)
                send(sock, answer)
                sock.settimeout(None)
        except ProtocolError as error:
            _log.warning("a client was sent away: %s", error)
            _send_away(sock, error)

    def describe(self) -> Message:
        """Returns what a client is told when it connects."""
        names = (*self.obs_names, *self.goal_names, *self.action_names)
        return Message(
            "welcome",
            {
                "leaves": [self.env_spec.leaf(name).to_dict() for name in dict.fromkeys(names)],
                "reads": list(self.reads), "actions": list(self.action_names), "about": self.about,
            },
        )  # fmt: skip


class _Client:
    """The policy of one connection, and what it is asked."""

    def __init__(self, server: PolicyServer) -> None:
        self._server = server
        self._policy = server.make_policy()

    def answer(self, message: Message) -> Message:
        """Returns the answer to a message: an `error` for whatever goes wrong, so that a mistake of one client harms nobody."""
        try:
            match message.kind:
                case "hello":
                    return self._server.describe()
                case "reset":
                    return self._reset(message.values)
                case "act" | "act_chunk":
                    return self._act(message)
                case "is_terminated":
                    return self._is_terminated(message)
            kinds = ("hello", "reset", "act", "act_chunk", "is_terminated")
            raise ServingError(
                "request", f"'{message.kind}'{nearest(message.kind, kinds)}" if message.kind.isprintable() else "no word", "one of " + ", ".join(kinds)
            )  # fmt: skip
        except MuseError as error:
            return _error_message(error)
        except Exception as error:
            _log.exception("a request of kind '%s' failed", message.kind)
            got = brief(error, with_kind=True)
            return _error_message(
                ServingError(f"'{message.kind}'", got, "", "look at the server's log"), name=type(error).__name__
            )

    def _reset(self, values: Mapping[str, Any]) -> Message:
        rows, seeds = values.get("rows"), values.get("seeds")
        if rows is not None and not (_is_list(rows, bool) and 1 <= len(rows) <= MAX_ROWS):
            raise ServingError("reset: rows", "no list of booleans", f"1 to {MAX_ROWS} of them, or null")
        if seeds is not None and not (_is_list(seeds, int, type(None)) and len(seeds) <= MAX_ROWS):
            raise ServingError("reset: seeds", "no list of whole numbers", "one, or null, for each row that begins")
        with self._server.turn:
            self._policy.reset_policy(None if rows is None else np.array(rows, bool), seeds)
        return Message("done")

    def _act(self, message: Message) -> Message:
        obs, goal = self._read(message.arrays)
        server = self._server
        with server.turn, evaluation_mode(server.model):
            call = self._policy.get_action_chunk if message.kind == "act_chunk" else self._policy.get_action
            action = call(server.model, nest(obs), nest(goal))
            server.actions += 1
        return Message("action", {}, flatten(action))

    def _is_terminated(self, message: Message) -> Message:
        obs, goal = self._read(message.arrays)
        server = self._server
        with server.turn, evaluation_mode(server.model):
            ended = self._policy.is_terminated(server.model, nest(obs), nest(goal))
        return Message("ended", {}, {"ended": ended})

    def _read(self, arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Returns observation and goal, checked, leaves `(B, H, *shape)`."""
        parts: dict[str, dict[str, np.ndarray]] = {"obs": {}, "goal": {}}
        known = {"obs": self._server.obs_names, "goal": self._server.goal_names}
        lead: tuple[int, ...] | None = None
        for path, value in arrays.items():
            part, _, name = path.partition("/")
            if name not in known.get(part, ()):
                there = [f"{one}/{other}" for one, others in known.items() for other in others]
                raise ServingError(f"'{path}'", f"unknown to the policy{nearest(path, there)}", "some of " + ", ".join(there))
            leaf = self._server.env_spec.leaf(name)
            if value.dtype != leaf.dtype:
                raise ServingError(f"'{path}'", f"type {value.dtype}", f"type {leaf.dtype}")
            if value.shape[2:] != leaf.shape or value.ndim < 2 or (lead is not None and value.shape[:2] != lead):
                wanted = ", ".join(map(str, (*(lead or ("B", "H")), *leaf.shape)))
                raise ServingError(f"'{path}'", f"shape {value.shape}", f"shape ({wanted})")
            lead = value.shape[:2]
            if not (1 <= lead[0] <= MAX_ROWS and lead[1] >= 1):
                raise ServingError(f"'{path}'", f"{lead[0]} rows of {lead[1]} steps", f"1 to {MAX_ROWS} rows, at least one step")
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                raise ServingError(f"'{path}'", "NaN or infinity", "finite numbers", "look at the sensor that it comes from")
            parts[part][name] = value
        missing = [name for name in self._server.reads if name not in parts["obs"] and name not in parts["goal"]]
        if missing:
            raise ServingError(f"'{missing[0]}'", "missing", "all of " + ", ".join(self._server.reads))
        return parts["obs"], parts["goal"]


def _is_list(value: Any, *types: type) -> bool:
    return isinstance(value, list) and all(type(item) in types for item in value)


def _error_message(error: MuseError, closes: bool = False, name: str = "") -> Message:
    parts = {"where": error.where, "got": error.got, "expected": error.expected, "hint": error.hint}
    return Message("error", {**parts, "error": name or type(error).__name__, "closes": closes})


def _send_away(sock: socket.socket, error: MuseError) -> None:
    """Says why, and that nothing more is read here. Ending a connection with bytes unread would take the message back."""
    sock.settimeout(1.0)
    send(sock, _error_message(error, closes=True))
    sock.shutdown(socket.SHUT_WR)
    for _ in range(64):
        if not sock.recv(2**16):
            return
