"""Clocks and the rate that is kept by them."""

import threading
import time

import pytest

from muse.utils.clock import SimulatedClock, WallClock
from muse.utils.rate import Rate


def test_simulated_time_passes_when_somebody_sleeps_and_calls_what_is_due():
    clock, seen = SimulatedClock(), []
    end = clock.every(0.1, lambda: seen.append(clock.now()))
    end_other = clock.every(0.25, lambda: seen.append(-clock.now()))
    clock.sleep_until(0.5)
    assert seen == pytest.approx([0.1, 0.2, -0.25, 0.3, 0.4, 0.5, -0.5]) and clock.now() == 0.5
    end_other()
    clock.sleep_until(0.2)
    assert clock.now() == 0.5, "time does not go back"
    clock.sleep_until(0.61)
    assert seen[-1] == pytest.approx(0.6)
    end()
    end()
    clock.sleep_until(9.0)
    assert len(seen) == 8


def test_a_call_that_sleeps_leaves_out_those_in_between():
    clock, seen = SimulatedClock(), []

    def slow():
        seen.append(clock.now())
        if len(seen) == 2:
            clock.sleep_until(clock.now() + 0.35)

    clock.every(0.1, slow)
    clock.sleep_until(0.8)
    assert seen == pytest.approx([0.1, 0.2, 0.6, 0.7, 0.8])


def test_simulated_calls_do_not_drift():
    clock, seen = SimulatedClock(), []
    clock.every(0.025, lambda: seen.append(1))
    for step in range(1, 10_001):
        clock.sleep_until(step * 0.1)
        assert len(seen) == 4 * step


def test_wall_time_passes_by_itself():
    clock, seen = WallClock(), []
    end = clock.every(0.01, lambda: seen.append(threading.current_thread().name))
    clock.sleep_until(clock.now() + 0.3)
    end()
    count = len(seen)
    assert count > 3 and set(seen) == {"muse-robot"}
    time.sleep(0.05)
    assert len(seen) == count and not any(thread.name == "muse-robot" for thread in threading.enumerate())


def test_a_wall_ticker_is_ended_by_its_own_call():
    clock, done = WallClock(), threading.Event()
    ends = []

    def call():
        ends[0]()
        done.set()

    ends.append(clock.every(0.01, call))
    assert done.wait(5)


def test_a_rate_keeps_its_grid_and_counts_who_is_late():
    clock = SimulatedClock()
    clock.sleep_until(7.3)
    rate, begin = Rate(clock, 20.0), clock.now()
    for step in range(1, 1001):
        clock.sleep_until(clock.now() + 0.03)
        assert rate.wait() == 0
        assert clock.now() == pytest.approx(begin + 0.05 * step, abs=1e-9)
    assert (rate.steps, rate.overruns) == (1000, 0)
    clock.sleep_until(clock.now() + 0.12)
    assert rate.wait() == pytest.approx(0.07)
    assert clock.now() == pytest.approx(begin + 0.05 * 1003), "the next deadline of the grid, none caught up with"
    assert rate.wait() == 0 and clock.now() == pytest.approx(begin + 0.05 * 1004)
    assert rate.summary == "1 of 1002 steps came late, by 70 ms at most"
