"""Time, of the wall or simulated, behind one contract, so that ten minutes of a robot need not last ten minutes."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable


class Clock(ABC):
    """Tells the time, waits, and calls what is to be called again and again.

    clock.every(0.02, servo.tick)
    clock.sleep_until(clock.now() + 0.1)            # five ticks
    """

    @abstractmethod
    def now(self) -> float:
        """Returns the time [s]; only differences mean something."""

    @abstractmethod
    def sleep_until(self, moment: float) -> None:
        """Waits; returns at once where `moment` has passed."""

    @abstractmethod
    def every(self, period: float, call: Callable[[], None]) -> Callable[[], None]:
        """Calls `call()` every `period` [s], for the first time after one, until the function that is returned is called.

        Calls do not overlap and do not catch up: one that takes longer than a period leaves out those in between. `call` is to
        raise nothing.
        """


class WallClock(Clock):
    """The time that passes by itself. Each `every` is a thread of its own."""

    def now(self) -> float:
        """See `Clock.now`."""
        return time.monotonic()

    def sleep_until(self, moment: float) -> None:
        """See `Clock.sleep_until`."""
        while (left := moment - time.monotonic()) > 0:
            time.sleep(left)

    def every(self, period: float, call: Callable[[], None]) -> Callable[[], None]:
        """See `Clock.every`. What ends it waits for a call that is under way, up to a second, unless that is what ends it."""
        ended = threading.Event()

        def work() -> None:
            due = self.now() + period
            while not ended.wait(max(0.0, due - self.now())):
                call()
                due += period * max(1, int((self.now() - due) / period) + 1)

        thread = threading.Thread(target=work, name="muse-robot", daemon=True)
        thread.start()

        def end() -> None:
            ended.set()
            if thread is not threading.current_thread():
                thread.join(timeout=1.0)

        return end


class SimulatedClock(Clock):
    """Time that passes when somebody sleeps. Whatever is due by then is called on the way, in the sleeper's thread.

    A call that sleeps itself takes that long: nothing else is called meanwhile.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._tickers: list[_Ticker] = []
        self._is_calling = False

    def now(self) -> float:
        """See `Clock.now`."""
        return self._now

    def sleep_until(self, moment: float) -> None:
        """See `Clock.sleep_until`."""
        while not self._is_calling and self._tickers:
            ticker = min(self._tickers, key=lambda one: one.due)
            if ticker.due > moment + 1e-9:
                break
            self._now = max(self._now, ticker.due)
            self._is_calling = True
            try:
                ticker.call()
            finally:
                self._is_calling = False
            ticker.skip_to(self._now)
        self._now = max(self._now, moment)

    def every(self, period: float, call: Callable[[], None]) -> Callable[[], None]:
        """See `Clock.every`."""
        ticker = _Ticker(self._now, period, call)
        self._tickers.append(ticker)

        def end() -> None:
            if ticker in self._tickers:
                self._tickers.remove(ticker)

        return end


class _Ticker:
    def __init__(self, begin: float, period: float, call: Callable[[], None]) -> None:
        self.call = call
        self._begin, self._period, self._count = begin, period, 1

    @property
    def due(self) -> float:
        # A product does not drift as a sum would.
        return self._begin + self._count * self._period

    def skip_to(self, now: float) -> None:
        self._count = max(self._count, int((now - self._begin) / self._period + 1e-6)) + 1
