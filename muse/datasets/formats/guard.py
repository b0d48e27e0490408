"""Reading of what C libraries parse, in a process of its own: what kills or hangs that one becomes an error here.

A helper process, started when it is first needed, forks a child for each dataset. The child has a limit of memory and of silence; it fills
the arrays of a `Work`, which are files, and tells the rest through a pipe. Where processes cannot fork, reading happens here.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.format import Format, Tell, tell_nobody
from muse.datasets.formats.npz import physical_memory
from muse.datasets.formats.work import Work
from muse.utils.abstract import add_note
from muse.utils.errors import MuseError, brief
from muse.utils.processes import name_signal

#: Memory that a child may take besides mapped files [bytes].
MEMORY_BYTES = min(4 * 2**30, physical_memory() // 2)
#: How long a child may do without finishing an episode [s].
SILENCE_SECONDS = 300.0
#: How long the helper may take to start [s].
_START_SECONDS = 120.0
_READY = b"ready"
_AGAIN = "copy or download it again"
_WHOLE = "a whole dataset"


def read_guarded(
    form: Format, path: Path, names: Mapping[str, str], splits: Iterable[str], work: Work, progress: Tell = tell_nobody
) -> tuple[EpisodeData, list[Fate]]:
    """Does `form.read` with the same arguments in a child.

    Arrays of a work in memory are mapped from files that have no name any more.

    Raises:
        DataError: Also when the child dies, takes more memory than `MEMORY_BYTES`, or is silent for `SILENCE_SECONDS`.
        OptionError, MissingExtraError: As `form.read`.
    """
    with contextlib.ExitStack() as stack:
        folder = work.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="muse-")))
        work.save()
        sync_seconds = None if work.folder is None else work.sync_seconds
        arguments = (type(form), form.options, form.finite, path, dict(names), tuple(splits), folder.absolute(), sync_seconds)
        libraries = (type(form).__module__, *form.libraries)
        steps, onetime, rest, work.done, fates = run_guarded(_read, arguments, str(path), progress, libraries)
        steps, onetime = ({name: _unpack(array) for name, array in packed.items()} for packed in (steps, onetime))
    return replace(rest, steps=steps, onetime=onetime, where=str(path)), fates


def run_guarded(
    call: Callable[..., Any], arguments: tuple[Any, ...], where: str, progress: Tell = tell_nobody, libraries: Sequence[str] = ()
) -> Any:
    """Returns what `call(*arguments, tell)` returns in a child.

    Args:
        call: A function at the top of a module.
        where: What it reads, for messages.
        progress: Is told what `call` tells its last argument.
        libraries: Modules that `call` imports; the helper does it once for all children.

    Raises:
        DataError: When the child dies, breaks down, takes too much memory, or is silent for too long.
        MuseError: What `call` raises.
    """
    if not hasattr(os, "fork"):
        return call(*arguments, progress)
    with _LOCK:
        helper = _Helper.running()
        try:
            with _telling_of_its_end(where):
                helper.ask(pickle.dumps(tuple(libraries)), pickle.dumps((os.getcwd(), call, arguments, MEMORY_BYTES)))
            while True:
                with _telling_of_its_end(where):
                    kind, value = helper.answer(SILENCE_SECONDS)
                if kind != "tell":
                    break
                progress(*value)
        except BaseException:
            helper.end()
            raise
    return _settle(kind, value, where)


@contextlib.contextmanager
def _telling_of_its_end(where: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise DataError(where, f"nothing read for {SILENCE_SECONDS:g} s", _WHOLE, _AGAIN) from None
    except (EOFError, OSError):
        raise DataError(where, "the process that reads it was ended", _WHOLE, "enough memory for it") from None


def _settle(kind: str, value: Any, where: str) -> Any:
    """Returns what a child returned, or raises what came of it."""
    if kind == "returned":
        return value
    if kind == "raised":
        raise value
    if kind == "memory":
        got = f"takes more than {MEMORY_BYTES / 2**30:.3g} GiB of memory to read"
        raise DataError(where, got, _WHOLE, f"{_AGAIN}; a whole one in shorter episodes or smaller row groups")
    if kind == "broke":
        summary, trace = value
        error = DataError(where, f"cannot be read ({summary})", _WHOLE, _AGAIN)
        add_note(error, f"there:\n{trace}")
        raise error
    status = f"killed by {name_signal(-value)}" if value < 0 else f"exit status {value}"
    raise DataError(where, f"the library that reads it broke down ({status})", _WHOLE, _AGAIN)


class _Helper:
    """The process that forks children, as this program sees it. One at a time, and one request at a time."""

    _now: _Helper | None = None

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        # The same modules as here, wherever the program was started.
        code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve({theirs.fileno()})"
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code], pass_fds=[theirs.fileno()], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        self._owner = os.getpid()
        atexit.register(self._end_with_program)
        if not self._pipe.poll(_START_SECONDS) or self._pipe.recv_bytes() != _READY:
            raise DataError("reading a dataset", "no process to read it in could be started", "a machine with room for one")

    @classmethod
    def running(cls) -> _Helper:
        """Returns the helper of this process, a new one where there is none."""
        if cls._now is None or cls._now._owner != os.getpid() or cls._now._process.poll() is not None:
            cls._now = cls()
        return cls._now

    def ask(self, libraries: bytes, request: bytes) -> None:
        """Sends a request."""
        self._pipe.send_bytes(libraries)
        self._pipe.send_bytes(request)

    def answer(self, seconds: float) -> tuple[str, Any]:
        """Returns the next message.

        Raises:
            TimeoutError: When none comes in time.
            EOFError, OSError: When the helper has died.
        """
        if not self._pipe.poll(seconds):
            raise TimeoutError
        return pickle.loads(self._pipe.recv_bytes())

    def end(self) -> None:
        """Kills the helper and its child."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._pipe.close()
        _Helper._now = None

    def _end_with_program(self) -> None:
        if self._owner == os.getpid() and self._process.poll() is None:
            self.end()


_LOCK = threading.Lock()


def serve(descriptor: int) -> None:
    """Runs the helper: forks a child for each request that comes through the connection, until that ends."""
    with contextlib.suppress(EOFError, OSError), Connection(descriptor) as pipe:
        pipe.send_bytes(_READY)
        while True:
            libraries, request = pickle.loads(pipe.recv_bytes()), pipe.recv_bytes()
            for name in libraries:
                # Whoever needs it says so when it is missing.
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
            ours, theirs = Pipe(duplex=False)
            child = os.fork()
            if child == 0:
                ours.close()
                _work(request, pipe)
            theirs.close()
            # A program that is gone needs no answer. One that asks again has all of it: the child is about to end.
            if ours not in wait([ours, pipe]) and _has_hung_up(pipe):
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            if status:
                pipe.send_bytes(pickle.dumps(("died", os.waitstatus_to_exitcode(status))))


def _has_hung_up(pipe: Connection) -> bool:
    with socket.socket(fileno=os.dup(pipe.fileno())) as peeked:
        return not peeked.recv(1, socket.MSG_PEEK)


def _work(request: bytes, pipe: Connection) -> None:
    """Does a request, in the child; never returns."""
    status = 1
    try:
        _die_with_parent()
        folder, call, arguments, memory = pickle.loads(request)
        # Paths are to be read, and told, as the caller wrote them.
        os.chdir(folder)
        _limit_memory(memory)

        def tell(done: int, total: int) -> None:
            pipe.send_bytes(pickle.dumps(("tell", (done, total))))

        try:
            message = ("returned", call(*arguments, tell))
        except MuseError as error:
            message = ("raised", error)
        except MemoryError:
            message = ("memory", None)
        except Exception as error:
            message = ("broke", (brief(error, with_kind=True), traceback.format_exc()))
        pipe.send_bytes(pickle.dumps(message))
        status = 0
    finally:
        # Nothing of the helper is to be flushed or closed twice.
        os._exit(status)


def _die_with_parent() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _limit_memory(num_bytes: int) -> None:
    """Limits private memory, where the system counts it apart from mapped files."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        lines = Path("/proc/self/status").read_text().splitlines()
        held = next(line for line in lines if line.startswith("VmData:"))
        limit = int(held.split()[1]) * 1024 + num_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(
    cls: type[Format],
    options: Mapping[str, Any],
    finite: bool,
    path: Path,
    names: Mapping[str, str],
    splits: tuple[str, ...],
    folder: Path,
    sync_seconds: float | None,
    tell: Tell,
) -> tuple[Any, ...]:
    work = Work.at(folder, sync_seconds)
    data, fates = cls(options, finite).read(path, names, splits, work, tell)
    work.save()
    steps, onetime = ({name: _pack(array) for name, array in arrays.items()} for arrays in (data.steps, data.onetime))
    return steps, onetime, replace(data, steps={}, onetime={}), work.done, fates


def _pack(array: np.ndarray) -> Any:
    """Returns where a mapped array lies, or any other array itself."""
    base = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    is_whole = isinstance(base, np.memmap) and (base.shape, base.dtype) == (array.shape, array.dtype) and base.flags.c_contiguous
    if is_whole and base.filename is not None:
        return (str(base.filename), base.dtype, base.offset, base.shape)
    return np.array(array)


def _unpack(packed: Any) -> np.ndarray:
    if isinstance(packed, np.ndarray):
        return packed
    file, dtype, offset, shape = packed
    return np.memmap(file, dtype, "r+", offset, shape)
