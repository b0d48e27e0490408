"""Timing of things side by side, on a machine that may be busy with something else."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        samples: Samples that a median is taken of, at most.
        turns: Turns of each side in a sample.
        calls: Calls of a side in a turn.
        warmup: Turns of each side before the first sample.
        seconds: No further sample is begun after this time, once there are two.
    """

    samples: int
    turns: int
    calls: int = 1
    warmup: int = 3
    seconds: float = 60.0

    def quickened(self, quick: bool) -> Effort:
        """Returns itself, or the least that runs every line where `quick` is true."""
        return Effort(2, min(self.turns, 3), min(self.calls, 2), 1) if quick else self


@dataclass(frozen=True)
class Timing:
    """Seconds of one call of each side, by side, a number for each sample."""

    seconds: Mapping[str, list[float]]

    def median(self, side: str) -> float:
        """Returns the median over the samples [s]."""
        return statistics.median(self.seconds[side])

    def fastest(self, *sides: str) -> str:
        """Returns the side with the least median."""
        return min(sides, key=self.median)

    def ratios(self, side: str, reference: str) -> list[float]:
        """Returns the ratio of two sides in each sample."""
        return [a / b for a, b in zip(self.seconds[side], self.seconds[reference], strict=True)]


def interleave(
    sides: Mapping[str, Callable[[], object]],
    effort: Effort,
    finish: Callable[[], object] | None = None,
    prepare: Callable[[], object] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Times functions in turns, A B A B ..., so that what else the machine does falls on all of them alike.

    A sample is the sum over many short turns, whose order is reversed every other time; hence it holds what a side does only
    every so often, and two sides of one sample have seen the same machine.

    Args:
        sides: What to time, by name.
        effort: How often.
        finish: Called at the end of every turn, inside its time: waits for a device that works in the background.
        prepare: Called before the warm-up and before each sample, outside its time.
        clock: Seconds since some time; the processor's, `time.process_time`, for what uses one core and waits for nothing.
    """
    order = list(sides)
    seconds: dict[str, list[float]] = {name: [] for name in order}
    prepare = prepare or (lambda: None)
    prepare()
    for _ in range(effort.warmup):
        for name in order:
            _time(sides[name], effort.calls, finish, clock)
    begin = time.monotonic()
    for taken in range(effort.samples):
        if taken >= 2 and time.monotonic() - begin > effort.seconds:
            break
        prepare()
        gc.collect()
        sums = dict.fromkeys(order, 0.0)
        for _ in range(effort.turns):
            for name in order:
                sums[name] += _time(sides[name], effort.calls, finish, clock)
            order.reverse()
        for name, total in sums.items():
            seconds[name].append(total / (effort.turns * effort.calls))
    return Timing(seconds)


def _time(call: Callable[[], object], times: int, finish: Callable[[], object] | None, clock: Callable[[], float]) -> float:
    begin = clock()
    for _ in range(times):
        call()
    if finish is not None:
        finish()
    return clock() - begin
