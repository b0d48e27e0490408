"""The way to polymetis: not installed, not there, too slow, or another arm."""

import sys
import threading
import types

import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet

from muse.envs.env import make
from muse.envs.polymetis.interface import RobotError, connect
from muse.envs.polymetis.polymetis_panda_env import PolymetisPandaEnv
from muse.envs.polymetis.simulated_panda_env import SimulatedPandaEnv
from muse.utils.errors import MissingExtraError


@pytest.fixture
def polymetis(monkeypatch):
    """A module in the place of polymetis, whose clients answer as they are told to."""
    module = types.ModuleType("polymetis")
    made = []

    class RobotInterface:
        def __init__(self, ip_address="localhost", port=50051):
            made.append((ip_address, port))

    class GripperInterface:
        def __init__(self, ip_address="localhost", port=50052):
            made.append((ip_address, port))

        def get_state(self):
            made.append("state")

    module.RobotInterface, module.GripperInterface, module.made = RobotInterface, GripperInterface, made
    monkeypatch.setitem(sys.modules, "polymetis", module)
    return module


def test_without_polymetis_the_message_says_where_it_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "polymetis", None)
    env = make(PolymetisPandaEnv, d(armed=True))
    with pytest.raises(MissingExtraError, match=r"conda install(.|\n)*polymetis_panda_sim"):
        env.reset()
    env.close()


def test_both_clients_are_made_and_asked(polymetis):
    robot, gripper = connect("10.0.0.1", 5.0, "a test")
    assert polymetis.made == [("10.0.0.1", 50051), ("10.0.0.1", 50052), "state"]
    assert isinstance(robot, polymetis.RobotInterface) and isinstance(gripper, polymetis.GripperInterface)
    assert connect("10.0.0.1", 5.0, "a test", with_gripper=False)[1] is None


def test_nobody_answers(polymetis):
    def refuse(ip_address):
        raise RuntimeError("StatusCode.UNAVAILABLE: failed to connect\nand more")

    polymetis.RobotInterface = refuse
    with pytest.raises(RobotError, match=r"10.0.0.1:50051: RuntimeError: StatusCode.UNAVAILABLE(.|\n)*launch_robot"):
        connect("10.0.0.1", 5.0, "a test")


def test_a_gripper_that_is_not_there_is_noticed(polymetis):
    def fail(self):
        raise RuntimeError("no gripper")

    polymetis.GripperInterface.get_state = fail
    with pytest.raises(RobotError, match="gripper at 10.0.0.1:50052: RuntimeError: no gripper"):
        connect("10.0.0.1", 5.0, "a test")


def test_an_answer_that_does_not_come_is_given_up(polymetis):
    release = threading.Event()
    polymetis.RobotInterface = lambda ip_address: release.wait(20)
    try:
        with pytest.raises(RobotError, match=r"no answer in 0.2 s"):
            make(PolymetisPandaEnv, d(armed=True, connect_timeout=0.2)).reset()
    finally:
        release.set()


def test_nothing_moves_and_nothing_connects_before_it_is_armed(polymetis, monkeypatch):
    env = make(PolymetisPandaEnv)
    with pytest.raises(RobotError, match=r"not armed(.|\n)*env\.arm"):
        env.reset()
    assert polymetis.made == []
    env.close()


@needs_pybullet
def test_an_arm_of_other_geometry_is_refused():
    class Longer(SimulatedPandaEnv):
        def connect(self, clock):
            robot, gripper = super().connect(clock)
            pose = robot.get_ee_pose()
            robot.get_ee_pose = lambda: (pose[0] + 0.1, pose[1])
            return robot, gripper

    env = make(Longer)
    with pytest.raises(RobotError, match=r"end effector(.|\n)*ee_link_name"):
        env.reset()
    env.close()
