"""Another project in a process of its own, with its own interpreter, that does on command what is to be measured.

Its script calls `answer(Side(), descriptor)`; the benchmark calls its methods through `open_peer`. Needs the standard library alone, for the
script runs where there is no Muse.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

#: Calls a method of the other side with keyword arguments and returns its answer.
Call = Callable[..., Any]


class PeerError(Exception):
    """The other project, or the data, is missing here, or it failed."""


@contextlib.contextmanager
def open_peer(name: str, python: str, script: str, **environment: str) -> Iterator[Call]:
    """Starts a script of this folder.

    Args:
        name: What the other project is called, for messages.
        python: The interpreter that has it.
        script: Name of the file.
        environment: Variables for its process.

    Raises:
        PeerError: From a call, when the other side fails.
    """
    here, there = Pipe()
    with tempfile.TemporaryFile("w+") as printed:

        def call(method: str, **arguments: Any) -> Any:
            try:
                here.send((method, arguments))
                return here.recv()
            except (EOFError, OSError) as error:
                process.wait()  # it closes the connection before it has printed why
                printed.seek(0)
                raise PeerError(f"{name} failed in '{method}':\n{''.join(printed.readlines()[-20:])}") from error

        command = [python, str(Path(__file__).with_name(script)), str(there.fileno())]
        variables = {**os.environ, **environment}
        with subprocess.Popen(command, stdout=printed, stderr=printed, pass_fds=[there.fileno()], env=variables) as process, here:
            there.close()
            yield call


class Batches:
    """Batches of a DataLoader, through the ends of epochs."""

    def __init__(self, loader: Any) -> None:
        self._loader, self._batches = loader, iter(loader)

    def next(self) -> Any:
        """Returns the next batch."""
        try:
            return next(self._batches)
        except StopIteration:
            self._batches = iter(self._loader)
            return next(self._batches)

    def draw(self, count: int) -> None:
        """Draws batches."""
        for _ in range(count):
            self.next()


def answer(side: object, descriptor: str) -> None:
    """Answers on the connection of that file descriptor until nobody asks any more."""
    with Connection(int(descriptor)) as connection, contextlib.suppress(EOFError):
        while True:
            name, arguments = connection.recv()
            connection.send(getattr(side, name)(**arguments))
