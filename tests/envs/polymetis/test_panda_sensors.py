"""Cameras of real pictures: a video file in the place of a device."""

import sys
import types

import numpy as np
import pytest

from muse.envs.polymetis.interface import RobotError
from muse.envs.polymetis.sensors import RealSenseCamera, SimulatedCamera, USBCamera
from muse.utils.errors import MissingExtraError


@pytest.fixture
def video(tmp_path):
    """A film of half a second: red on the left, blue on the right, brighter from picture to picture."""
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20, (64, 48))
    for i in range(10):
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[:, :32, 2], picture[:, 32:, 0] = 100 + 15 * i, 100 + 15 * i
        writer.write(picture)
    writer.release()
    return path


def test_a_camera_gives_its_newest_picture_red_first_and_cut_to_size(video):
    camera = USBCamera({"file": str(video), "img_width": 24, "img_height": 24, "timeout": 0.5}, "image")
    assert USBCamera.get_leaves(camera.__dict__, "image") == [("image", (24, 24, 3), (0, 255), np.uint8)]
    camera.open(None)
    first = camera.read()["image"]
    assert first.shape == (24, 24, 3) and first.dtype == np.uint8
    assert first[12, 4, 0] > 80 > first[12, 4, 2] and first[12, 20, 2] > 80 > first[12, 20, 0]
    first[:] = 0
    assert camera.read()["image"].any(), "a copy"
    camera._thread.join(5)
    with pytest.raises(RobotError, match="no more pictures"):
        camera.read()
    camera.close()
    camera.close()


def test_a_camera_that_is_not_there_is_told(tmp_path):
    pytest.importorskip("cv2")
    with pytest.raises(RobotError, match=r"no camera .*none.avi(.|\n)*cv_cam_id"):
        USBCamera({"file": str(tmp_path / "none.avi")}, "image").open(None)
    with pytest.raises(RobotError, match="not open"):
        USBCamera({}, "image").read()


@pytest.mark.parametrize(
    ("cls", "module", "package"), [(USBCamera, "cv2", "opencv-python"), (RealSenseCamera, "pyrealsense2", "pyrealsense2")]
)
def test_what_reads_a_camera_is_installed_by_who_needs_it(monkeypatch, cls, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=f"pip install {package}"):
        cls({}, "image").open(None)


def test_a_camera_that_falls_silent_is_told(monkeypatch):
    class Silent(USBCamera):
        def connect(self):
            pictures = iter([np.zeros((4, 4, 3), np.uint8)])

            def take():
                picture = next(pictures, None)
                if picture is None:
                    self._closing.wait(5)
                return picture

            return take, lambda: None

    camera = Silent({"timeout": 0.05}, "image")
    camera.open(None)
    monkeypatch.setattr("muse.envs.polymetis.sensors.time", types.SimpleNamespace(monotonic=lambda: 1e12))
    with pytest.raises(RobotError, match="no new picture for"):
        camera.read()
    camera.close()


def test_a_simulated_camera_wants_a_simulated_robot():
    with pytest.raises(RobotError, match="not simulated"):
        SimulatedCamera({}, "image").open(object())
