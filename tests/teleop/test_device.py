"""What all devices have in common: gain, dead zone, frame, limits; and that `check_device` finds what is wrong."""

import math

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from muse.envs.teleop import TeleopInput
from muse.teleop import DeviceError, InputDevice, Reading
from muse.testing import FakeDevice, check_device, device_problems
from muse.utils.errors import OptionError

part = st.floats(-1.5, 1.5)
twists = st.tuples(part, part, part, part, part, part)


class Fixed(InputDevice):
    def __init__(self, params, reading):
        super().__init__(params)
        self.reading = reading

    def read_raw(self):
        return self.reading


def read(twist, grip=0.0, **options):
    return Fixed(d(options), Reading(TeleopInput(twist, grip))).read().given


@given(twist=twists, gain=st.floats(0.1, 3), dead_zone=st.floats(0, 0.9), frame=st.tuples(*[st.floats(-180, 180)] * 3))
def test_read_is_what_the_text_says(twist, gain, dead_zone, frame):
    stretched = [math.copysign(max(0, abs(x) - dead_zone) / (1 - dead_zone) * gain, x) for x in twist]
    turn = Rotation.from_euler("xyz", frame, degrees=True)
    wanted = np.clip(np.concatenate([turn.apply(stretched[:3]), turn.apply(stretched[3:])]), -1, 1)
    got = read(twist, gain=gain, dead_zone=dead_zone, frame=list(frame))
    np.testing.assert_allclose(got.twist, wanted, atol=1e-9)


def test_nothing_jumps_at_the_edge_of_the_dead_zone():
    edge, beyond = read((0.2,) * 6, dead_zone=0.2).twist, read((0.2001,) * 6, dead_zone=0.2).twist
    assert edge == (0.0,) * 6 and 0 < beyond[0] < 0.001
    assert read((1.0,) * 6, dead_zone=0.2).twist == (1.0,) * 6


def test_a_quarter_turn_leads_x_to_y():
    assert np.allclose(read((1, 0, 0, 0, 0, 0.5), frame=[0, 0, 90]).twist, (0, 1, 0, 0, 0, 0.5))


def test_what_is_no_number_is_an_error():
    for twist, grip in [((math.nan,) * 6, 0), ((0,) * 5, 0), ((0,) * 6, math.inf)]:
        with pytest.raises(DeviceError, match="Fixed.read: twist .* expected finite numbers, six of them"):
            read(twist, grip)
    with pytest.raises(DeviceError, match=r"Fixed.read: pointer \(0.5, nan\); expected None, or two finite numbers"):
        Fixed({}, Reading(TeleopInput(pointer=(0.5, math.nan)))).read()


@pytest.mark.parametrize(
    "options", [d(gain=0.0), d(gain=math.nan), d(dead_zone=1.0), d(dead_zone=-0.1), d(frame=[0.0, 1.0]), d(speed=1)]
)
def test_options_are_checked(options):
    with pytest.raises(OptionError, match="Fixed"):
        Fixed(options, None)


def test_the_check_passes_what_is_right_and_tells_what_is_wrong():
    check_device(FakeDevice())
    fixed = Fixed({}, Reading(TeleopInput()))
    check_device(fixed)
    fixed.read = lambda: Reading(TeleopInput((2.0, 0, 0, 0, 0, 0), 2.0, (0.5, 1.5)), {"keep"})
    problems = " ".join(device_problems(fixed))
    for word in ("twist", "grip 2.0", "pointer (0.5, 1.5)", "a frozenset of names"):
        assert word in problems

    class Slow(Fixed):
        def read_raw(self):
            import time

            time.sleep(0.11 if self.reading else 0)
            self.reading = None
            return Reading(TeleopInput())

    assert device_problems(Slow({}, True)) and "it waits for something" in device_problems(Slow({}, True))[0]
    with pytest.raises(DeviceError, match="check_device.Slow.: 1 problem"):
        check_device(Slow({}, True))


def test_the_fake_minds_its_manners():
    device = FakeDevice([Reading(TeleopInput(grip=1.0), frozenset({"keep"}))])
    with pytest.raises(DeviceError, match="not open"):
        device.read()
    device.open()
    with pytest.raises(DeviceError, match="open already"):
        device.open()
    assert device.read().buttons == {"keep"} and device.read() == Reading(TeleopInput())
    device.close()
    device.close()
    assert (device.opened, device.closed) == (1, 1)
