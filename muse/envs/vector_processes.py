"""The envs of a `VectorEnv` in processes of their own, which may die or hang, and are replaced one by one.

The records of all envs lie in memory that the processes share; a pipe to each worker (`muse.envs.vector_worker`) carries one
short word a step. Nothing of it has a name in the system (no semaphore, no shared-memory file), so nothing is left behind, however
a process ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import pickle
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from multiprocessing.sharedctypes import RawArray
from typing import Any

import cloudpickle
import numpy as np
from attrdict import AttrDict

from muse.envs.env import EnvError
from muse.envs.failure import EnvFailure, as_muse_error, name_row
from muse.envs.vector_row import Errors, Start
from muse.envs.vector_worker import RECORDS, STEP, WELL, lay_out, work
from muse.specs import EnvSpec
from muse.utils.errors import MuseError
from muse.utils.processes import name_signal

#: How long all envs together may take to close [s].
_CLOSE_SECONDS = 5.0
#: How long to wait for the exit status of a process that has died [s].
_STATUS_SECONDS = 1.0


class ProcessRows:
    """Rows with a process each, and the interface of `SyncRows`.

    A worker that died, did not answer in time, or whose env broke down is ended, and the next `reset` of its row starts another.
    So is one whose answer an interrupt kept from being read.

    Args:
        source: The env's class, or its dotted name, and its options.
        count: Number of rows, `B`.
        spec: The spec of one env.
        step_timeout: How long an env may take to answer [s]; 0: for ever.
        reset_timeout: The same for building an env and for a reset [s].

    Attributes:
        records: What each env told last, `(B,)` of `observation_dtype`; zero before it tells anything.

    Raises:
        EnvError: For a class or options that cannot go to a process.
    """

    def __init__(
        self, source: tuple[Any, Mapping[str, Any]], count: int, spec: EnvSpec, step_timeout: float, reset_timeout: float
    ) -> None:
        env_cls, options = _name_class(source[0]), {key: _plain(value) for key, value in source[1].items()}
        self._timeouts = {"step": step_timeout, "reset": reset_timeout}
        self._setup = _pickle_setup((env_cls, options), count, spec)
        # Memory without a name, all zero; one byte where there is nothing to say.
        self._memory = [RawArray(ctypes.c_uint8, max(1, count * dtype(spec).itemsize)) for dtype in RECORDS]
        self.records, self._actions = lay_out(self._memory, count, spec)
        self._context = _make_context(env_cls)
        self._workers: list[_Worker | None] = [None] * count

    def build(self) -> Errors:
        """Starts the processes and builds the envs, all at the same time."""
        rows = range(len(self._workers))
        return self._start(rows) or self._exchange(dict.fromkeys(rows, ("build",)), "reset")[1]

    def reset(self, starts: Mapping[int, Start]) -> Errors:
        """Starts an episode in each of the rows given. One whose worker is gone gets a new one."""
        errors = self._start(i for i in starts if self._workers[i] is None)
        requests = {i: ("reset", *start) for i, start in starts.items() if i not in errors}
        return {**errors, **self._exchange(requests, "reset")[1]}

    def step(self, actions: np.ndarray, rows: Sequence[int]) -> Errors:
        """Steps some rows at the same time; `actions` is `(B,)` of `action_dtype`."""
        self._actions[...] = actions
        return self._exchange(dict.fromkeys(rows, STEP), "step")[1]

    def call(self, name: str, rows: Iterable[int]) -> tuple[dict[int, Any], Errors]:
        """Calls a method of some rows, and returns what they answer by row."""
        return self._exchange(dict.fromkeys(rows, (name,)), "step")

    def close(self) -> None:
        """Closes the envs and ends their processes."""
        deadline = time.monotonic() + _CLOSE_SECONDS
        workers = [worker for worker in self._workers if worker is not None]
        self._workers = [None] * len(self._workers)
        for worker in workers:
            worker.hang_up()
        for worker in workers:
            worker.end(max(0.0, deadline - time.monotonic()))

    def _start(self, rows: Iterable[int]) -> Errors:
        errors: Errors = {}
        for i in rows:
            try:
                self._workers[i] = _Worker(self._context, i, self._setup, self._memory)
            except OSError as error:
                errors[i] = as_muse_error(error, i, "fewer envs, if the system has no room for another process")
        return errors

    def _exchange(self, requests: Mapping[int, Any], kind: str) -> tuple[dict[int, Any], Errors]:
        """Sends each row its request, and returns what they answer, and what went wrong, by row."""
        seconds = self._timeouts[kind]
        deadline = time.monotonic() + seconds if seconds else None
        workers = {i: worker for i in requests if (worker := self._workers[i]) is not None}
        values: dict[int, Any] = {}
        errors: Errors = {}
        try:
            for i, worker in workers.items():
                worker.send(requests[i])
            for i, worker in workers.items():
                try:
                    values[i] = worker.receive(deadline)
                except TimeoutError:
                    hint = f"a longer {kind}_timeout, if the simulator is only slow"
                    errors[i] = EnvFailure(name_row(i), f"no answer within {seconds:g} s", "", hint)
                except MuseError as error:
                    errors[i] = error
        except BaseException:
            # An interrupt: what the pipes hold now would be taken for the answer to the next question.
            for i in workers:
                self._end(i)
            raise
        for i in requests:
            if i not in workers:
                errors[i] = EnvFailure(name_row(i), "its process was ended when a call was interrupted", "", "a reset")
            elif isinstance(errors.get(i), EnvFailure):
                self._end(i)
        return values, errors

    def _end(self, row: int) -> None:
        worker, self._workers[row] = self._workers[row], None
        if worker is not None:
            worker.end()


class _Worker:
    """A process with one env, as the program sees it.

    Args:
        context: Starts processes.
        row: The number of the row.
        setup, memory: See `muse.envs.vector_worker.work`.

    Raises:
        OSError: When the system starts no process.
    """

    def __init__(self, context: Any, row: int, setup: bytes, memory: Sequence[Any]) -> None:
        self._row = row
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(row, theirs, setup, memory), name=f"env {row}", daemon=True)
        with theirs:  # Only the worker holds this end, so that the pipe breaks when the worker dies.
            try:
                self.process.start()
            except BaseException:
                self._pipe.close()
                raise

    def send(self, request: Any) -> None:
        """Sends a request. That a worker has died comes out in `receive`."""
        with contextlib.suppress(OSError):
            self._pipe.send_bytes(request if request is STEP else pickle.dumps(request))

    def receive(self, deadline: float | None) -> Any:
        """Returns the answer to the last request.

        Args:
            deadline: When to stop waiting, on the clock of `time.monotonic` [s]; None: never.

        Raises:
            TimeoutError: When none came in time.
            MuseError: What the row raised; an `EnvFailure` when the worker has died.
        """
        try:
            if not self._pipe.poll(None if deadline is None else max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            answer = self._pipe.recv_bytes()
        except (EOFError, ConnectionError):
            raise self._describe_death() from None
        if answer == WELL:
            return None
        value, raised = pickle.loads(answer)
        if raised is not None:
            raise raised
        return value

    def hang_up(self) -> None:
        """Ends the pipe, upon which a worker that is not busy closes its env and ends."""
        self._pipe.close()

    def end(self, patience: float = 0.0) -> None:
        """Ends the process, by force unless it ends by itself within `patience` [s]."""
        self._pipe.close()
        self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(_CLOSE_SECONDS)
        if not self.process.is_alive():  # One that hangs inside the kernel is left to it.
            self.process.close()

    def _describe_death(self) -> EnvFailure:
        self.process.join(_STATUS_SECONDS)
        status, hint = self.process.exitcode, "mode='sync', to see why"
        if status is None:
            got = "its process closed its pipe"
        elif status >= 0:
            got = f"its process ended with exit status {status}"
        else:
            got = f"its process was killed by {name_signal(-status)}"
            if -status == signal.SIGKILL:
                hint = "fewer envs, if the memory ran out"
        return EnvFailure(name_row(self._row), got, "", hint)


def _name_class(env_cls: Any) -> str:
    if isinstance(env_cls, str):
        return env_cls
    if "." in env_cls.__qualname__:
        raise EnvError(
            "VectorEnv: mode='process'", f"class {env_cls.__qualname__}", "a class at the top of its module", "mode='sync'"
        )
    return f"{env_cls.__module__}.{env_cls.__qualname__}"


def _plain(value: Any) -> Any:
    return value.toDict() if isinstance(value, AttrDict) else value


def _pickle_setup(source: tuple[str, dict[str, Any]], count: int, spec: EnvSpec) -> bytes:
    try:
        return cloudpickle.dumps((source, count, spec))  # Options may be functions that no module has.
    except Exception as error:
        got = f"an option of {source[0]} that cannot be pickled ({type(error).__name__}: {error})"
        raise EnvError("VectorEnv: mode='process'", got, "plain values", "mode='sync'") from error


def _make_context(env_cls: str) -> Any:
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        # The server imports once what every worker needs (torch takes seconds), as long as it is not running yet.
        context.set_forkserver_preload([work.__module__, env_cls.rpartition(".")[0]])
    return context
