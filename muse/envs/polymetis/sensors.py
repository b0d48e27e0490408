"""Sensors beside the robot. The loop that calls one (`PolymetisPandaEnv`):

sensor.open(robot)              # once, when the robot is connected
while True:
    sensor.read()               # at each observation: the newest there is, without waiting for the next
sensor.close()

A camera reads in a thread of its own, so that a step never waits for it. Tried here: `SimulatedCamera`, and `USBCamera` on a video file
in the place of a device. Not tried on hardware: `USBCamera` on a device, `RealSenseCamera`.
"""

from __future__ import annotations

import importlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from muse.envs.polymetis.arm import TOOL_LENGTH, make_chain
from muse.envs.polymetis.interface import RobotError, RobotInterface
from muse.envs.polymetis.reading import wrench_of
from muse.utils.abstract import Argument, BaseClass
from muse.utils.errors import MissingExtraError, brief


class Sensor(BaseClass, ABC):
    """Something that is observed besides the arm.

    Args:
        params: The options declared in `predefined_arguments`.
        name: Of its main leaf; the env gives it (`image`).
    """

    def __init__(self, params: Mapping[str, Any], name: str) -> None:
        self.name = name
        self.read_predefined_params(params)

    @classmethod
    @abstractmethod
    def get_leaves(cls, params: Mapping[str, Any], name: str) -> list[tuple]:
        """Returns its leaves as `EnvSpec` takes them: name, shape, limits, type, and unit and meaning.

        Args:
            params: Options, defaults not filled in.
            name: Of the main leaf.
        """

    @abstractmethod
    def open(self, robot: RobotInterface) -> None:
        """Connects to it.

        Args:
            robot: The robot beside which it stands; a simulated sensor looks into its world.

        Raises:
            RobotError: Where it is not there.
            MissingExtraError: Where what reads it is not installed.
        """

    @abstractmethod
    def read(self) -> dict[str, np.ndarray]:
        """Returns its leaves `(*shape)` by name, newest values, the caller's to keep.

        Raises:
            RobotError: Where it has fallen silent.
        """

    @abstractmethod
    def close(self) -> None:
        """Frees it. May be called twice."""


class Camera(Sensor):
    """A sensor of one picture `(Y, X, 3)`, uint8, red first."""

    predefined_arguments = [
        Argument("img_width", type=int, default=84, help="width of its pictures", unit="px"),
        Argument("img_height", type=int, default=84, help="height of its pictures", unit="px"),
    ]

    @classmethod
    def get_leaves(cls, params: Mapping[str, Any], name: str) -> list[tuple]:
        """See `Sensor.get_leaves`."""
        size = {key: params.get(key, cls.get_predefined_arguments()[key].default) for key in ("img_height", "img_width")}
        return [(name, (size["img_height"], size["img_width"], 3), (0, 255), np.uint8)]


class SimulatedCamera(Camera):
    """What is seen of a `SimulatedRobot`, from outside or from its wrist."""

    predefined_arguments = [
        *Camera.predefined_arguments,
        Argument("at_wrist", type=bool, default=False, help="look past the fingers instead of at the whole"),
    ]

    def open(self, robot: RobotInterface) -> None:
        """See `Sensor.open`."""
        if not hasattr(robot, "hand_view"):
            raise RobotError(f"SimulatedCamera '{self.name}'", "a robot that is not simulated", "USBCamera or RealSenseCamera")
        self._robot: Any = robot

    def read(self) -> dict[str, np.ndarray]:
        """See `Sensor.read`."""
        view = {"view": self._robot.hand_view()} if self.at_wrist else {}
        return {self.name: self._robot.draw(self.img_height, self.img_width, **view)}

    def close(self) -> None:
        """See `Sensor.close`."""


class ThreadedCamera(Camera):
    """A camera that is read in a thread of its own, and whose newest picture is given."""

    predefined_arguments = [
        *Camera.predefined_arguments,
        Argument("timeout", type=float, default=1.0, help="time without a new picture after which it counts as lost", unit="s"),
    ]

    def __init__(self, params: Mapping[str, Any], name: str) -> None:
        super().__init__(params, name)
        self._where = f"{type(self).__name__} '{name}'"
        self._came = threading.Condition()
        self._newest: tuple[float, np.ndarray] | None = None
        self._failure = ""
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def connect(self) -> tuple[Callable[[], np.ndarray | None], Callable[[], None]]:
        """Returns what takes the next picture `(Y, X, 3)` of any size, red first (None: there is none), and what closes it."""

    def open(self, robot: RobotInterface) -> None:
        """See `Sensor.open`. Returns when there is a first picture."""
        take, end = self.connect()
        self._closing.clear()
        self._newest, self._failure = None, ""
        self._thread = threading.Thread(target=self._work, args=(take, end), name=f"muse-{self.name}", daemon=True)
        self._thread.start()
        with self._came:
            self._came.wait_for(lambda: self._newest is not None or self._failure, 10 * self.timeout)
        if self._newest is None:
            self.close()
            raise RobotError(self._where, self._failure or "no picture came", "a camera that sends pictures")

    def read(self) -> dict[str, np.ndarray]:
        """See `Sensor.read`."""
        with self._came:
            newest, failure = self._newest, self._failure
        if newest is None:
            raise RobotError(self._where, "not open", "open() before it is read")
        age = time.monotonic() - newest[0]
        if failure or age > self.timeout:
            raise RobotError(self._where, failure or f"no new picture for {age:.1f} s", "a camera that sends pictures")
        return {self.name: newest[1].copy()}

    def close(self) -> None:
        """See `Sensor.close`."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)
            self._thread = None

    def _work(self, take: Callable[[], np.ndarray | None], end: Callable[[], None]) -> None:
        failure = ""
        try:
            while not self._closing.is_set():
                picture = take()
                if picture is None:
                    failure = "it sends no more pictures"
                    break
                picture = _resized(picture, self.img_height, self.img_width)
                with self._came:
                    self._newest = (time.monotonic(), picture)
                    self._came.notify_all()
        except Exception as error:
            failure = brief(error, with_kind=True)
        finally:
            end()
            with self._came:
                self._failure = failure
                self._came.notify_all()


class USBCamera(ThreadedCamera):
    """A camera that the system's video drivers know, by OpenCV."""

    predefined_arguments = [
        *ThreadedCamera.predefined_arguments,
        Argument("cv_cam_id", type=int, default=0, help="number of the device"),
        Argument("file", type=str, default="", help="a video file in the place of a device"),
    ]

    def connect(self) -> tuple[Callable[[], np.ndarray | None], Callable[[], None]]:
        """See `ThreadedCamera.connect`."""
        cv2 = _require("cv2", "opencv-python", self._where)
        source = self.file or self.cv_cam_id
        device = cv2.VideoCapture(source)
        if not device.isOpened():
            raise RobotError(
                self._where, f"no camera {source!r}", "a device that is plugged in", "the option cv_cam_id: ls /dev/video*"
            )
        pause = 1.0 / (device.get(cv2.CAP_PROP_FPS) or 30.0) if self.file else 0.0

        def take() -> np.ndarray | None:
            # A device waits for its next picture by itself, a file does not.
            self._closing.wait(pause)
            is_there, picture = device.read()
            return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if is_there else None

        return take, device.release


class RealSenseCamera(ThreadedCamera):
    """The colours of a RealSense camera of Intel, by pyrealsense2."""

    predefined_arguments = [
        *ThreadedCamera.predefined_arguments,
        Argument("serial", type=str, default="", help="serial number of the device; empty: the first"),
        Argument("fps", type=int, default=30, help="pictures in a second"),
        Argument("rs_width", type=int, default=640, help="width of what the device sends", unit="px"),
        Argument("rs_height", type=int, default=480, help="height of what the device sends", unit="px"),
    ]

    def connect(self) -> tuple[Callable[[], np.ndarray | None], Callable[[], None]]:
        """See `ThreadedCamera.connect`."""
        rs = _require("pyrealsense2", "pyrealsense2", self._where)
        pipeline, config = rs.pipeline(), rs.config()
        if self.serial:
            config.enable_device(self.serial)
        config.enable_stream(rs.stream.color, self.rs_width, self.rs_height, rs.format.rgb8, self.fps)
        try:
            pipeline.start(config)
        except RuntimeError as error:
            raise RobotError(
                self._where, brief(error), "a device that is plugged in", "the option serial: rs-enumerate-devices"
            ) from error

        def take() -> np.ndarray | None:
            frame = pipeline.wait_for_frames(int(1000 * self.timeout)).get_color_frame()
            return np.asanyarray(frame.get_data()) if frame else None

        return take, pipeline.stop


class WrenchSensor(Sensor):
    """Force and torque on the arm's tip, as the robot estimates them from its joints, less what it felt when it was opened.

    A force sensor of its own at the wrist derives from `Sensor` in the same way.
    """

    predefined_arguments = [
        Argument("samples", type=int, default=20, help="states of the robot that make the zero"),
        Argument("tool_length", type=float, default=TOOL_LENGTH, help="from the flange to the tip", unit="m"),
    ]

    @classmethod
    def get_leaves(cls, params: Mapping[str, Any], name: str) -> list[tuple]:
        """See `Sensor.get_leaves`."""
        meaning = "force [N] and torque [N m] on the tip from outside, frame of the base, less those at the beginning"
        return [(name, (6,), (-np.inf, np.inf), np.float32, "", meaning)]

    def open(self, robot: RobotInterface) -> None:
        """See `Sensor.open`."""
        if self.samples < 1:
            raise RobotError(f"WrenchSensor '{self.name}': samples", str(self.samples), "at least 1")
        self._robot, self._chain = robot, make_chain(self.tool_length)
        self._zero = np.mean([self._measure() for _ in range(self.samples)], axis=0)

    def read(self) -> dict[str, np.ndarray]:
        """See `Sensor.read`."""
        return {self.name: (self._measure() - self._zero).astype(np.float32)}

    def close(self) -> None:
        """See `Sensor.close`."""

    def _measure(self) -> np.ndarray:
        state = self._robot.get_robot_state()
        jacobian = self._chain.jacobian(np.array(state.joint_positions, np.float64))
        return wrench_of(jacobian, np.array(state.motor_torques_external, np.float64))


def _resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns a picture `(Y, X, 3)` uint8 cut to the proportions that are wanted, around its middle, and resized."""
    from PIL import Image

    rows, columns = picture.shape[:2]
    scale = min(rows / height, columns / width)
    high, wide = round(scale * height), round(scale * width)
    top, left = (rows - high) // 2, (columns - wide) // 2
    cut = Image.fromarray(np.ascontiguousarray(picture[top : top + high, left : left + wide]))
    return np.asarray(cut.resize((width, height), Image.Resampling.BILINEAR)).copy()


def _require(module: str, package: str, wanted_by: str) -> Any:
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise MissingExtraError(
            wanted_by, f"cannot import '{module}' ({brief(error, with_kind=True)})", package, f"pip install {package}"
        ) from error
