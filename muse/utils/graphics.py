"""What this machine can draw with, without a window."""

from __future__ import annotations

import os
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

#: What a graphics device shows as: NVIDIA's, those of the kernel's graphics, Windows' under Linux.
_DEVICES = ("/dev/nvidiactl", "/dev/dri", "/dev/dxg")
#: Tells what EGL draws with. In a process of its own, for a broken driver can take its process down.
_TRIAL = """
from mujoco.egl import GLContext
context = GLContext(8, 8)
context.make_current()
from OpenGL import GL
print(GL.glGetString(GL.GL_RENDERER).decode())
"""


def choose_graphics() -> str:
    """Returns how MuJoCo draws in this process, and has MuJoCo, PyOpenGL and the processes started from here do so.

    That is what `MUJOCO_GL` says, else `PYOPENGL_PLATFORM`, else what `graphics` finds. Software draws on the thread that asks
    for the picture: a picture is small, and there may be a process for each environment.
    """
    chosen = os.environ.get("MUJOCO_GL") or os.environ.get("PYOPENGL_PLATFORM") or graphics()
    os.environ["MUJOCO_GL"] = chosen
    if chosen in ("egl", "osmesa"):
        os.environ.setdefault("PYOPENGL_PLATFORM", chosen)
    os.environ.setdefault("LP_NUM_THREADS", "0")
    return chosen


def graphics() -> str:
    """Returns how MuJoCo can draw off the screen: `egl` (a graphics device), `osmesa` (in software) or `disable` (not at all).

    EGL is taken where it works on a device, and where it is all there is, for it may draw in software, too.
    """
    has_software = bool(find_library("OSMesa"))
    has_device = any(Path(device).exists() for device in _DEVICES)
    if (has_device or not has_software) and find_library("EGL"):
        device = egl_device()
        if device and not (has_software and "llvmpipe" in device):
            return "egl"
    return "osmesa" if has_software else "disable"


def egl_device() -> str:
    """Returns the name of what EGL draws with, empty where it does not work or MuJoCo is not installed."""
    environment = {**os.environ, "MUJOCO_GL": "egl", "PYOPENGL_PLATFORM": "egl"}
    try:
        trial = subprocess.run([sys.executable, "-c", _TRIAL], env=environment, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return ""
    return trial.stdout.strip() if trial.returncode == 0 else ""
