"""What this machine can draw with, without a window."""

from __future__ import annotations

from ctypes.util import find_library
from pathlib import Path


def graphics() -> str:
    """Returns how MuJoCo can draw off the screen: `egl` (a graphics device), `osmesa` (in software) or `disable` (not at all)."""
    has_device = any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/dri"))
    if has_device and find_library("EGL"):
        return "egl"
    return "osmesa" if find_library("OSMesa") else "disable"
