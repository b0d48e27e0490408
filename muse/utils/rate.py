"""A loop that keeps its rate."""

from __future__ import annotations

import time
from collections.abc import Callable


class Rate:
    """Waits for moments that lie a period apart, counted from the first and not from the last one kept: being late once, by less than
    a period, does not shift those after.

        rate = Rate(20)
        while True:
            ...
            rate.wait()

    Args:
        hz: Moments a second; 0: never waits.
        now, sleep: The clock [s], and what waits on it.

    Attributes:
        late: How many moments were missed.
    """

    def __init__(self, hz: float, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self.period = 1 / hz if hz else 0.0
        self.late = 0
        self._now, self._sleep = now, sleep
        self._next: float | None = None

    def wait(self) -> None:
        """Waits for the next moment. One that has passed by a whole period or more is given up, and counting begins anew."""
        if not self.period:
            return
        now = self._now()
        if self._next is None:
            self._next = now
        self._next += self.period
        if now < self._next:
            self._sleep(self._next - now)
        elif now > self._next:
            self.late += 1
            if now - self._next >= self.period:
                self._next = now
