"""A process with one env of a `VectorEnv`, as it sees itself. `muse.envs.vector_processes` starts it and talks to it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from muse.envs.env import EnvError
from muse.envs.failure import EnvFailure, as_muse_error
from muse.envs.vector_row import VectorRow, action_dtype, observation_dtype
from muse.specs import EnvSpec
from muse.utils.errors import MuseError

#: What the pipe carries for a step, and for an answer that says no more than that all went well; all else is pickled.
STEP, WELL = b"step", b"well"
#: The records of what envs tell, and of what they are told.
RECORDS = (observation_dtype, action_dtype)
#: How long a worker may outlive the program [s].
_ORPHAN_SECONDS = 5.0


def lay_out(memory: Sequence[Any], count: int, spec: EnvSpec) -> tuple[np.ndarray, ...]:
    """Returns the records in shared memory, `(B,)` each."""
    return tuple(np.ndarray(count, dtype(spec), buffer=part) for dtype, part in zip(RECORDS, memory, strict=True))


def work(row: int, pipe: Connection, setup: bytes, memory: Sequence[Any]) -> None:
    """Runs a worker: does what the pipe says until that ends.

    Args:
        row: The number of the row.
        pipe: Where requests come and answers go.
        setup: The source of the env, the number of rows and the spec, pickled.
        memory: The bytes of all records: what the envs tell, and what they are told.
    """
    # An interrupt is the program's to handle, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_after_program, daemon=True).start()
    source, count, spec = pickle.loads(setup)
    records, actions = lay_out(memory, count, spec)
    env, action = VectorRow(source, spec, records[row : row + 1]), actions[row : row + 1]
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            request = pipe.recv_bytes()
            pipe.send_bytes(_answer(row, env, action, request))
    env.close()


def _answer(row: int, env: VectorRow, action: np.ndarray, request: bytes) -> bytes:
    """Does what a request says; returns the answer."""
    try:
        if request == STEP:
            env.step(action.copy())  # An env may keep what it was given.
            return WELL
        name, *args = pickle.loads(request)
        value = getattr(env, name)(*args)
        return WELL if value is None else pickle.dumps((value, None))
    except (Exception, SystemExit) as error:
        return _pickle_error(as_muse_error(error, row, "mode='sync', to see it where it happens"), error)


def _pickle_error(error: MuseError, raised: BaseException) -> bytes:
    """Returns the answer for an error. Pickling drops its traceback, which goes along as text, in the attribute `trace`."""
    error.trace = "".join(traceback.format_exception(raised))  # type: ignore[attr-defined]
    try:
        answer = pickle.dumps((None, error))
        pickle.loads(answer)
    except Exception:  # An error class whose constructor asks for more than pickling gives it.
        plain = EnvFailure if isinstance(error, EnvFailure) else EnvError
        return _pickle_error(plain(error.where, error.got, error.expected, error.hint), raised)
    return answer


def _end_after_program() -> None:
    """Ends this process when the program is gone, however that ended, even if the env hangs."""
    program = multiprocessing.parent_process()
    assert program is not None, "a worker is a child"
    program.join()
    time.sleep(_ORPHAN_SECONDS)  # For the pipe's end to close the env in order.
    os._exit(1)
