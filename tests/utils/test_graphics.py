from pathlib import Path

import pytest

from muse.utils import graphics as module
from muse.utils.graphics import graphics


@pytest.mark.parametrize(
    ("devices", "libraries", "found"),
    [
        (["/dev/nvidia0"], ["EGL", "OSMesa"], "egl"),
        (["/dev/dri"], ["OSMesa"], "osmesa"),
        ([], ["EGL", "OSMesa"], "osmesa"),
        ([], ["EGL"], "disable"),
    ],
)
def test_graphics_follow_from_devices_and_libraries(devices, libraries, found, monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: str(path) in devices)
    monkeypatch.setattr(module, "find_library", lambda name: name if name in libraries else None)
    assert graphics() == found
