"""A loop that keeps its rate: deadlines on a fixed grid, so that nothing drifts, and a count of those that were missed."""

from __future__ import annotations

import math

from muse.utils.clock import Clock

#: How late a caller may be before it counts [s].
_PUNCTUAL = 1e-3


class Rate:
    """Waits for the end of each period.

        rate = Rate(clock, hz=20)
        rate.start()
        while True:
            late = rate.wait()

    Args:
        clock: Whose time.
        hz: Periods in a second.

    Attributes:
        steps: Waits since it was made.
        overruns: Those that were asked for only after their period had ended.
        worst: The latest of them [s].
    """

    def __init__(self, clock: Clock, hz: float) -> None:
        self.period = 1.0 / hz
        self.steps, self.overruns, self.worst = 0, 0, 0.0
        self._clock = clock
        self.start()

    def start(self) -> None:
        """Begins a grid of deadlines now; what was counted stays."""
        self._begin, self._next = self._clock.now(), 1

    def wait(self) -> float:
        """Waits until the present period ends, and returns how late it was asked to [s], 0 when in time.

        After an overrun it waits for the next deadline of the same grid: periods that were missed are not caught up with.
        """
        now = self._clock.now()
        late = now - (self._begin + self._next * self.period)
        if late > _PUNCTUAL:
            self.overruns += 1
            self.worst = max(self.worst, late)
            self._next += math.floor(late / self.period) + 1
        else:
            late = 0.0
        deadline = self._begin + self._next * self.period
        self._clock.sleep_until(deadline)
        self._next += 1
        self.steps += 1
        return late

    @property
    def summary(self) -> str:
        """What was kept of the rate, in words."""
        missed = f"{self.overruns} of {self.steps} steps came late"
        return f"{missed}, by {1000 * self.worst:.0f} ms at most" if self.overruns else missed
