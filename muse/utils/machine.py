"""What measured figures are of."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def cpu_name() -> str:
    """Returns what the processor calls itself."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine_name() -> str:
    """Returns the processor and how many cores it has, for figures that mean something on this machine alone."""
    return f"{cpu_name()}, {os.cpu_count()} cores"
