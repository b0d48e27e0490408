"""The simulated Panda against the names and the physics of the real one."""

import inspect

import numpy as np
import pytest
import torch
from needs import needs_pybullet

from muse.envs.bullet_envs.bodies import Part, add_body
from muse.envs.bullet_envs.bullet import Bullet
from muse.envs.bullet_envs.panda import read_chain
from muse.envs.polymetis import interface
from muse.envs.polymetis.arm import HOMES, make_chain, make_flange_chain, pose_of
from muse.envs.polymetis.reading import wrench_of
from muse.envs.polymetis.sensors import WrenchSensor
from muse.envs.polymetis.simulated_robot import KX, SimulatedRobot
from muse.utils.clock import SimulatedClock
from muse.utils.rotations import matrix_from_quaternion

pytestmark = needs_pybullet
HOME = np.array(HOMES["default"])
CHAIN = make_chain()


@pytest.fixture
def robot():
    robot = SimulatedRobot(SimulatedClock())
    yield robot
    robot.close()


def wait(robot, seconds):
    robot._clock.sleep_until(robot._clock.now() + seconds)
    return robot.get_robot_state()


def tip_of(robot):
    return CHAIN.pose(np.array(robot.get_robot_state().joint_positions))[0]


@pytest.mark.parametrize(("protocol", "name"), [(interface.RobotInterface, "robot"), (interface.GripperInterface, "gripper")])
def test_names_and_signatures_are_those_of_the_interface(protocol, name, robot):
    simulated = robot if name == "robot" else robot.gripper
    methods = [method for method in vars(protocol) if not method.startswith("_")]
    assert len(methods) >= 3
    for method in methods:
        ours, theirs = (inspect.signature(getattr(owner, method)).parameters for owner in (simulated, protocol))
        names = {key: value.default for key, value in theirs.items() if key != "self"}
        assert {key: value.default for key, value in ours.items()} == names, method


def test_the_geometry_is_pybullets():
    bullet = Bullet("a test")
    theirs, ours = read_chain(bullet), make_chain(0.105)
    rng = np.random.default_rng(0)
    for joints in rng.uniform(theirs.low, theirs.high, (50, 7)):
        for a, b in zip(theirs.pose(joints), ours.pose(joints), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_allclose(theirs.low, ours.low, atol=1e-3)
    np.testing.assert_allclose(theirs.high, ours.high, atol=1e-3)
    bullet.close()


@pytest.mark.parametrize("home", HOMES)
def test_homes_point_straight_down(home):
    pose = pose_of(*CHAIN.pose(np.array(HOMES[home])))
    np.testing.assert_allclose(pose[3:5], 0, atol=2e-3)
    assert {"default": 0, "lower": 0, "default_90": -1, "default_m90": 1}[home] == round(pose[5] / (np.pi / 2))
    assert 0.1 < pose[2] < 0.3


def test_without_a_controller_the_arm_is_held(robot):
    assert not robot.is_running_policy()
    state = wait(robot, 2.0)
    np.testing.assert_allclose(state.joint_positions, HOME, atol=1e-4)
    assert state.timestamp.seconds == 2 and state.error_code == 0
    with pytest.raises(RuntimeError, match="no controller"):
        robot.update_desired_joint_positions(torch.zeros(7))


def test_the_flanges_pose_is_told(robot):
    position, quaternion = robot.get_ee_pose()
    place, rotation = make_flange_chain().pose(HOME)
    np.testing.assert_allclose(position, place, atol=1e-5)
    np.testing.assert_allclose(matrix_from_quaternion(quaternion.tolist()), rotation, atol=1e-5)


@pytest.mark.parametrize("start", ["start_cartesian_impedance", "start_joint_impedance"])
def test_joints_come_to_where_they_are_told(robot, start):
    getattr(robot, start)()
    assert robot.is_running_policy()
    goal = HOME + [0.1, 0.1, -0.1, 0.1, 0.0, 0.1, 0.2]
    robot.update_desired_joint_positions(torch.tensor(goal))
    np.testing.assert_allclose(wait(robot, 2.0).joint_positions, goal, atol=2e-3)
    robot.terminate_current_policy(return_log=False)
    assert not robot.is_running_policy()


def test_the_hand_gives_way_as_its_stiffness_says(robot):
    robot.start_cartesian_impedance()
    force = np.array([0.0, 0.0, 15.0])
    robot.hand = lambda seconds, position, velocity: force
    state = wait(robot, 3.0)
    moved = tip_of(robot) - CHAIN.pose(HOME)[0]
    # The joints' own stiffness comes on top of the hand's.
    assert 0.3 * 15 / KX[2] < moved[2] < 15 / KX[2]
    joints = np.array(state.joint_positions)
    wrench = wrench_of(CHAIN.jacobian(joints), np.array(state.motor_torques_external))
    np.testing.assert_allclose(wrench[:3], force, atol=0.3)
    np.testing.assert_allclose(wrench[3:], 0, atol=0.3)


def test_without_stiffness_the_hand_leads_it(robot):
    robot.start_joint_impedance(Kq=torch.zeros(7), Kqd=torch.full((7,), 0.5), adaptive=False)
    np.testing.assert_allclose(wait(robot, 1.0).joint_positions, HOME, atol=1e-3)
    goal = np.array([0.55, 0.15, 0.2])
    robot.hand = lambda seconds, position, velocity: 60 * (goal - position) - 15 * velocity
    wait(robot, 3.0)
    assert np.linalg.norm(tip_of(robot) - goal) < 0.02


def test_the_table_is_felt_by_the_joints(robot):
    """Pressed down on it, with a block in between, the arm feels what the block feels."""
    robot.begin(HOME, width=0.0)
    block = add_body(robot.bullet, [Part((0.1, 0.1, 0.1))], (0.45, 0.0, 0.05))
    robot.start_cartesian_impedance()
    down = CHAIN.solve(HOME, np.array([0.45, 0.0, 0.09]), CHAIN.pose(HOME)[1], HOME, 100)
    for share in np.linspace(0, 1, 100):
        robot.update_desired_joint_positions(torch.tensor(HOME + share * (down - HOME)))
        state = wait(robot, 0.02)
    state = wait(robot, 1.0)
    wrench = wrench_of(CHAIN.jacobian(np.array(state.joint_positions)), np.array(state.motor_torques_external))
    pressed = sum(contact[9] for contact in robot.bullet.getContactPoints(bodyA=robot.body, bodyB=block))
    assert pressed > 5
    assert wrench[2] == pytest.approx(pressed, rel=0.2)


def test_the_gripper_closes_opens_and_holds(robot):
    gripper = robot.gripper
    assert gripper.get_state().width == pytest.approx(0.08, abs=1e-3)
    gripper.goto(width=0.03, speed=0.1, force=20.0, blocking=False)
    wait(robot, 0.2)
    assert gripper.get_state().is_moving and 0.045 < gripper.get_state().width < 0.075
    wait(robot, 1.0)
    state = gripper.get_state()
    assert state.width == pytest.approx(0.03, abs=1e-3) and not state.is_moving and not state.is_grasped
    gripper.grasp(speed=0.1, force=20.0, blocking=False)
    wait(robot, 1.5)
    assert gripper.get_state().width < 2e-3
    robot.begin(HOME)
    place, _ = CHAIN.pose(HOME)
    add_body(robot.bullet, [Part((0.04, 0.04, 0.04))], place.tolist())
    gripper.grasp(speed=0.3, force=30.0, blocking=False)
    wait(robot, 0.5)
    state = gripper.get_state()
    assert state.width == pytest.approx(0.04, abs=5e-3) and state.is_grasped


def test_a_world_made_anew_goes_on_in_the_same_way(robot):
    def play():
        robot.begin(HOME + 0.05)
        robot.start_cartesian_impedance()
        robot.update_desired_joint_positions(torch.tensor(HOME))
        return [wait(robot, 0.1).joint_positions for _ in range(10)]

    first = play()
    wait(robot, 0.1234)
    assert play() == first


def test_it_costs_less_time_than_passes(robot):
    import time

    began = time.process_time()
    wait(robot, 3.0)
    assert time.process_time() - began < 6.0


def test_a_wrench_is_told_from_the_zero_of_the_beginning(robot):
    sensor = WrenchSensor({}, "wrist_ft")
    robot.hand = lambda seconds, position, velocity: np.array([3.0, 0.0, 0.0])
    wait(robot, 0.5)
    sensor.open(robot)
    np.testing.assert_allclose(sensor.read()["wrist_ft"], 0, atol=0.1)
    robot.hand = lambda seconds, position, velocity: np.array([3.0, 10.0, 0.0])
    wait(robot, 1.0)
    np.testing.assert_allclose(sensor.read()["wrist_ft"][:3], [0, 10, 0], atol=0.3)
