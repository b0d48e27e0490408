"""Angles that mean the same after a turn."""

from __future__ import annotations

import math
from typing import Any


def wrap(angle: Any, period: Any = 2 * math.pi) -> Any:
    """Returns `angle` plus a multiple of `period`, in [-period / 2, period / 2); numbers or arrays that broadcast [rad]."""
    return (angle + period / 2) % period - period / 2
