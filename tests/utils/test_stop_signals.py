"""Signals are noted, and acted upon between two steps."""

import signal
import threading

import pytest

from muse.utils.stop_signals import StopRequested, StopSignals


def test_a_signal_is_noted():
    with StopSignals() as stop:
        assert stop.requested is None and stop.exit_status == 0
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested == signal.SIGTERM and stop.exit_status == 143


def test_the_second_interrupt_acts():
    with pytest.raises(KeyboardInterrupt), StopSignals() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.exit_status == 130
        signal.raise_signal(signal.SIGINT)


def test_handlers_return():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopSignals():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_what_may_be_broken_off():
    with StopSignals() as stop:
        done = []
        with pytest.raises(StopRequested), stop.interruptible():
            done.append(1)
            signal.raise_signal(signal.SIGTERM)
            done.append(2)
        assert done == [1]
        with pytest.raises(StopRequested), stop.interruptible():
            done.append(3)
        assert done == [1]


def test_another_thread_catches_nothing():
    outcome = []

    def work():
        with StopSignals() as stop:
            outcome.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert outcome == [None]
