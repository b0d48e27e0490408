"""Keys, gamepads, mice with six axes, controllers in a room, and recordings."""

import json
import math
import socket
import struct

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from muse.envs.teleop import TeleopInput
from muse.interactive.commands import COMMANDS, KEYS, SHORT_HELP
from muse.teleop import DeviceError, Keys, KeySource, Reading
from muse.teleop.gamepad import GamepadDevice
from muse.teleop.keyboard import GRIP_KEY, MOTIONS, SLOW_KEY, KeyboardDevice
from muse.teleop.recorded import DeviceLog, RecordedDevice, read_log
from muse.teleop.space_mouse import SpaceMouseDevice, find_space_mice
from muse.teleop.vr import ControllerPose, NetworkPoseReader, PoseReader, VRDevice, parse_pose
from muse.testing import check_device
from muse.utils.errors import MissingExtraError, OptionError


def keyboard(**options):
    source, device = KeySource(), KeyboardDevice(d(options))
    device.open(source)

    def press(*held, pressed=(), **rest):
        source.keys = Keys(frozenset(held), tuple(pressed), **rest)
        return device.read().given

    return press


def test_each_key_moves_one_part_and_its_opposite_the_other_way():
    press = keyboard()
    seen = set()
    for key, (part, direction) in MOTIONS.items():
        twist = press(key).twist
        assert twist[part] == direction and sum(map(abs, twist)) == 1
        seen.add((part, direction))
    assert len(seen) == 12
    assert press("left", "right").twist == (0.0,) * 6
    assert press("up", "i").twist[1] == 1.0
    assert press("up", SLOW_KEY).twist[1] == 0.25


def test_a_key_that_was_only_tapped_moves_for_one_reading():
    press = keyboard()
    assert press(pressed=["up"]).twist[1] == 1.0
    assert press().twist[1] == 0.0


def test_the_grip_closes_opens_and_stays():
    press = keyboard()
    assert press(pressed=[GRIP_KEY]).grip == 1.0 and press().grip == 1.0
    assert press(pressed=[GRIP_KEY]).grip == 0.0
    assert press(pressed=[GRIP_KEY, GRIP_KEY]).grip == 0.0
    assert press(is_right_held=True).grip == 1.0 and press().grip == 0.0
    assert press(pointer=(0.2, 0.3)).pointer == (0.2, 0.3)


def test_no_key_means_two_things():
    assert not set(KEYS) & {*MOTIONS, GRIP_KEY, SLOW_KEY}
    assert set(KEYS.values()) <= set(COMMANDS) and set(SHORT_HELP) <= set(COMMANDS)


def test_keys_want_a_window():
    check_device(KeyboardDevice({}), KeySource())
    with pytest.raises(DeviceError, match="KeyboardDevice: no keys; expected a window or a terminal"):
        KeyboardDevice({}).open(None)
    with pytest.raises(DeviceError, match="not open"):
        KeyboardDevice({}).read()


def test_only_what_an_env_listens_to_is_explained():
    flat, arm = (KeyboardDevice({}).help_for(inputs) for inputs in (("x", "y"), ("x", "y", "z", "roll", "pitch", "yaw", "grip")))
    assert len(flat) < len(arm) and not any("turn" in text for text in flat)


class Stick:
    """What pygame's Joystick has."""

    def __init__(self, axes, buttons):
        self.axes, self.buttons = axes, buttons

    def get_name(self):
        return "Pad"

    def get_init(self):
        return True

    def get_numaxes(self):
        return len(self.axes)

    def get_axis(self, i):
        return self.axes[i]

    def get_numbuttons(self):
        return len(self.buttons)

    def get_button(self, i):
        return self.buttons[i]


def test_a_gamepad_moves_grips_and_commands():
    stick, device = Stick([0.0, 0.0, -1.0, 0.0, 0.0, -1.0], [False] * 8), GamepadDevice({})
    device.use(stick)
    assert device.read() == Reading(TeleopInput((0.0,) * 6, 0.0))
    stick.axes = [1.0, -1.0, -1.0, 1.0, -1.0, 1.0]
    given = device.read().given
    assert given.twist == (1.0, 1.0, 1.0, 0.0, 0.0, -1.0) and given.grip == 1.0
    stick.axes[0] = 0.1
    assert device.read().given.twist[0] == 0.0
    stick.buttons = [True, False, True] + [False] * 5
    assert device.read().buttons == {"keep", "take_over"}
    assert device.read().buttons == frozenset(), "a button that stays down commands once"
    with pytest.raises(DeviceError, match="'Pad': 2 axes; expected 6, as 'axes' and 'grip_axis' say"):
        device.use(Stick([0.0, 0.0], []))
    with pytest.raises(OptionError, match="six axes"):
        GamepadDevice(d(axes=[1, 2]))
    assert set(GamepadDevice({}).buttons) <= set(COMMANDS)


def test_without_a_gamepad_it_says_so(monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    device = GamepadDevice(d(number=3))
    try:
        with pytest.raises(DeviceError, match="GamepadDevice: 0 gamepads found; expected one with number 3"):
            device.open()
    finally:
        pygame.joystick.quit()
        pygame.display.quit()


class Hid:
    """What a device of `hid` has."""

    def __init__(self, *reports):
        self.reports = list(reports)

    def read(self, size):
        return list(self.reports.pop(0)) if self.reports else []

    def close(self):
        self.reports = []


def space_mouse(*reports, **options):
    device = SpaceMouseDevice(d(dead_zone=0.0, **options))
    device.use(Hid(*reports))
    return device


def test_a_space_mouse_of_old_and_new_make():
    old = space_mouse(b"\x01" + struct.pack("<3h", 350, -175, 70), b"\x02" + struct.pack("<3h", 35, 350, -350))
    new = space_mouse(b"\x01" + struct.pack("<6h", 350, -175, 70, 35, 350, -350))
    wanted = (1.0, 0.5, -0.2, 0.1, -1.0, 1.0)
    for device in (old, new):
        assert device.read().given.twist == wanted
        assert device.read().given.twist == wanted, "it says when something changes, and nothing while it is held"
    assert space_mouse(b"\x01" + struct.pack("<3h", 500, 0, 0)).read().given.twist[0] == 1.0


def test_buttons_of_a_space_mouse():
    device = space_mouse(b"\x03\x01", b"\x03\x00", b"\x03\x02")
    reading = device.read()
    assert reading.given.grip == 1.0 and reading.buttons == {"take_over"}, "both went down between two readings"
    assert device.read() == Reading(TeleopInput(grip=1.0))
    device._hid.reports = [b"\x03\x00", b"\x03\x01"]
    assert device.read().given.grip == 0.0


@given(report=st.binary(max_size=20))
def test_no_report_breaks_a_space_mouse(report):
    given = space_mouse(report).read().given
    assert all(-1 <= value <= 1 for value in given.twist)


def test_only_a_space_mouse_is_taken_for_one():
    """Logitech's number is that of the mouse beside the keyboard, too."""
    kinds = [
        (0x046D, 0xC077, 1, 2),
        (0x046D, 0xC077, 0, 0),
        (0x046D, 0xC626, 1, 8),
        (0x256F, 0xC635, 1, 8),
        (0x256F, 0xC635, 1, 6),
    ]
    there = [dict(zip(("vendor_id", "product_id", "usage_page", "usage"), kind, strict=True)) for kind in kinds]
    assert [info["product_id"] for info in find_space_mice(there)] == [0xC626, 0xC635]
    assert find_space_mice(there, 0xC635) == [there[3]] and not find_space_mice(there, 0xC077)


def test_a_space_mouse_that_is_not_there():
    with pytest.raises((DeviceError, MissingExtraError), match="none found|the extra 'spacemouse' to be installed"):
        SpaceMouseDevice({}).open()


class Poses(PoseReader):
    def __init__(self):
        self.waiting = []

    def open(self):
        pass

    def read(self):
        poses, self.waiting = self.waiting, []
        return poses

    def close(self):
        pass


@given(
    position=st.tuples(*[st.floats(-0.05, 0.05)] * 3), turn=st.tuples(*[st.floats(-0.3, 0.3)] * 3), period=st.floats(0.05, 0.2)
)
def test_a_hand_that_moves_is_a_twist(position, turn, period):
    reader = Poses()
    device = VRDevice(d(reader=reader, full_speed=2.0, full_turn=20.0))
    start = Rotation.from_euler("xyz", (0.3, -0.2, 1.0))
    end = Rotation.from_rotvec(turn) * start
    device.open()
    reader.waiting = [ControllerPose(5.0, (1.0, 2.0, 3.0), tuple(start.as_quat()), True)]
    assert device.read().given.twist == (0.0,) * 6
    there = tuple(np.add((1.0, 2.0, 3.0), position))
    reader.waiting = [ControllerPose(5.0 + period, there, tuple(end.as_quat()), True)]
    wanted = np.concatenate([np.divide(position, period * 2), np.divide(turn, period * 20)])
    np.testing.assert_allclose(device.read().given.twist, wanted, atol=1e-6)


def test_without_the_clutch_a_hand_is_carried():
    reader, still = Poses(), (0.0, 0.0, 0.0, 1.0)
    device = VRDevice(d(reader=reader))
    device.open()
    for clutches in ([True, False], [False, True], [False, False], [True, False, True]):
        for i, clutch in enumerate(clutches):
            reader.waiting.append(ControllerPose(device._heard + i, (float(i), 0.0, 0.0), still, clutch))
        device.read()
        assert device.read().given.twist == (0.0,) * 6, clutches


def test_a_controller_that_falls_silent_stands_still():
    reader, still = Poses(), (0.0, 0.0, 0.0, 1.0)
    device = VRDevice(d(reader=reader, stale_after=0.05))
    device.open()
    for time in (1.0, 1.1):
        reader.waiting = [ControllerPose(time, (time * 0.1, 0.0, 0.0), still, True, 0.7, frozenset({"keep"}))]
        reading = device.read()
    assert reading.given.twist[0] == pytest.approx(0.4) and reading.given.grip == 0.7 and not reading.buttons
    import time as clock

    clock.sleep(0.06)
    assert device.read().given == TeleopInput(grip=0.7)


def test_poses_come_over_the_network():
    reader = NetworkPoseReader("127.0.0.1", 0)
    device = VRDevice(d(reader=reader))
    check_device(device)
    device.open()
    message = {"time": 1.0, "position": [0, 0, 0], "quaternion": [0, 0, 0, 1], "clutch": True, "grip": 0.25, "buttons": ["keep"]}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(json.dumps(message).encode(), ("127.0.0.1", reader.port))
        while (reading := device.read()).given.grip == 0:
            pass
        assert reading == Reading(TeleopInput(grip=0.25), frozenset({"keep"}))
        sender.sendto(b"hello", ("127.0.0.1", reader.port))
        with pytest.raises(DeviceError, match="VRDevice: a datagram: b'hello'"):
            while True:
                device.read()
    taken = VRDevice(d(host="127.0.0.1", port=reader.port))
    with pytest.raises(DeviceError, match="a free port"):
        taken.open()
    device.close()


@given(datagram=st.binary(max_size=60) | st.from_regex(rb'\{"time": [0-9nN]+, "position": \[.*\]\}'))
def test_no_datagram_gets_through_that_is_no_pose(datagram):
    with pytest.raises(DeviceError, match="VRDevice: a datagram"):
        parse_pose(datagram)


@pytest.mark.parametrize(
    "wrong",
    [
        {"time": math.nan}, {"time": 10**400}, {"quaternion": [0, 0, 0, 2]}, {"position": [1, 2]}, {"buttons": [3]}, {"buttons": "keep"},
        {"grip": None}, {"clutch": "false"},
    ],
)  # fmt: skip
def test_a_pose_is_checked(wrong):
    pose = {"time": 1.0, "position": [0, 0, 0], "quaternion": [0, 0, 0, 1]}
    assert parse_pose(json.dumps(pose).encode()) == ControllerPose(1.0, (0, 0, 0), (0, 0, 0, 1))
    with pytest.raises(DeviceError):
        parse_pose(json.dumps({**pose, **wrong}).encode())
    with pytest.raises(DeviceError):
        parse_pose(b"[" * 4000)


def test_a_recording_tells_the_same_again(tmp_path):
    readings = [
        Reading(TeleopInput((0.1, -1.0, 0.0, 0.3, 0.0, 1.0), 0.5, (0.25, 0.75)), frozenset({"keep", "start"})),
        Reading(TeleopInput()),
    ]
    log = DeviceLog(tmp_path / "new" / "log.jsonl")
    for reading in readings:
        log.write(reading)
    with open(tmp_path / "new" / "log.jsonl", "a") as file:
        file.write('{"twist": [0, 0')  # A crash.
    device = RecordedDevice(d(file=str(tmp_path / "new" / "log.jsonl")))
    device.open()
    assert [device.read(), device.read()] == readings
    assert device.read().buttons == {"quit"} and device.read().buttons == {"quit"}
    log.close()
    check_device(device)


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "3",
        "{}",
        "[" * 9999,
        '{"pointer": null, "twist": [1%s]}' % ("0" * 400),
        '{"twist": [0], "grip": 0, "pointer": null, "buttons": []}',
    ],
)
def test_what_is_no_recording_is_said_with_its_line(tmp_path, line):
    good = '{"twist": [0, 0, 0, 0, 0, 0], "grip": 0, "pointer": null, "buttons": []}'
    (tmp_path / "log.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(DeviceError, match=r"log.jsonl: line 2: "):
        read_log(tmp_path / "log.jsonl")
    with pytest.raises(DeviceError, match="none.jsonl"):
        RecordedDevice(d(file=str(tmp_path / "none.jsonl"))).open()
