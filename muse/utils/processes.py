"""Processes as messages tell of them."""

from __future__ import annotations

import signal


def name_signal(number: int) -> str:
    """Returns the name of a signal (`"SIGSEGV"`), or its number in words where it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
