"""Ctrl-C and a scheduler's SIGTERM, turned into a stop between two steps."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any


class StopRequested(Exception):
    """A signal came while something ran that may be broken off."""


class StopSignals:
    """Catches SIGINT and SIGTERM inside its `with` block.

        with StopSignals() as stop:
            while not stop.requested:
                ...                                    # finishes
                with stop.interruptible():
                    ...                                # is broken off by StopRequested

    The first signal is only noted; the second of the same kind acts as it would without the block. Outside the main thread
    Python cannot catch signals, and the block does nothing.
    """

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}
        self._may_interrupt = False

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    @property
    def exit_status(self) -> int:
        """The status with which a shell reports the signal: 130 for SIGINT, 143 for SIGTERM; 0 without one."""
        return 128 + self.requested if self.requested else 0

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Lets a signal raise `StopRequested` at once, also one that came before."""
        self._may_interrupt = True
        try:
            if self.requested:
                raise StopRequested
            yield
        finally:
            self._may_interrupt = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = signal.Signals(number)
        signal.signal(number, self._previous[self.requested])
        if self._may_interrupt:
            raise StopRequested
