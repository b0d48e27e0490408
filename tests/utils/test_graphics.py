import os
import subprocess
import sys
from pathlib import Path

import pytest

from muse.utils import graphics as module
from muse.utils.graphics import choose_graphics, egl_device, graphics


@pytest.mark.parametrize(
    ("devices", "libraries", "device", "found"),
    [
        (["/dev/nvidiactl"], ["EGL", "OSMesa"], "NVIDIA", "egl"),
        (["/dev/nvidiactl"], ["EGL", "OSMesa"], "", "osmesa"),
        (["/dev/nvidiactl"], ["EGL"], "", "disable"),
        (["/dev/dri"], ["EGL", "OSMesa"], "llvmpipe (LLVM 15)", "osmesa"),
        (["/dev/dri"], ["OSMesa"], "", "osmesa"),
        ([], ["EGL", "OSMesa"], "NVIDIA", "osmesa"),
        ([], ["EGL"], "llvmpipe (LLVM 15)", "egl"),
        ([], [], "", "disable"),
    ],
)
def test_graphics_follow_from_devices_libraries_and_a_trial(devices, libraries, device, found, monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: str(path) in devices)
    monkeypatch.setattr(module, "find_library", lambda name: name if name in libraries else None)
    monkeypatch.setattr(module, "egl_device", lambda: device)
    assert graphics() == found


@pytest.mark.parametrize(
    ("given", "chosen", "platform"),
    [
        ({"MUJOCO_GL": "osmesa"}, "osmesa", "osmesa"),
        ({"PYOPENGL_PLATFORM": "egl"}, "egl", "egl"),
        ({"MUJOCO_GL": "osmesa", "PYOPENGL_PLATFORM": "egl"}, "osmesa", "egl"),
        ({"MUJOCO_GL": "disable"}, "disable", None),
        ({}, "found", None),
    ],
)
def test_what_is_said_goes_before_what_is_found(given, chosen, platform, monkeypatch):
    monkeypatch.setattr(module, "graphics", lambda: "found")
    monkeypatch.setattr(os, "environ", dict(given))
    assert choose_graphics() == os.environ["MUJOCO_GL"] == chosen
    assert os.environ.get("PYOPENGL_PLATFORM") == platform and os.environ["LP_NUM_THREADS"] == "0"
    monkeypatch.setattr(os, "environ", {"MUJOCO_GL": "egl", "LP_NUM_THREADS": "2"})
    choose_graphics()
    assert os.environ["LP_NUM_THREADS"] == "2"


def test_a_trial_that_fails_or_hangs_is_no_device(monkeypatch):
    monkeypatch.setattr(module, "_TRIAL", "print('half')\nraise SystemExit(3)")
    assert egl_device() == ""
    monkeypatch.setattr(module, "_TRIAL", "print('Some card')")
    assert egl_device() == "Some card"

    def hang(*args, **options):
        raise subprocess.TimeoutExpired(args, options["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    assert egl_device() == ""


def test_importing_modules_of_muse_chooses_nothing():
    code = "import os, sys\nimport muse.envs.robosuite.camera, muse.envs.robosuite.robosuite_env\n"
    code += "assert 'MUJOCO_GL' not in os.environ and 'mujoco' not in sys.modules and 'OpenGL' not in sys.modules"
    environment = {key: value for key, value in os.environ.items() if key not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
