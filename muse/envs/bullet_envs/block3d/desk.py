"""A desk with a drawer, a cabinet and, where asked for, buttons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from muse.envs.bullet_envs.bodies import Colour, Link, Part
from muse.envs.bullet_envs.robot_spec import INFINITE
from muse.envs.bullet_envs.scene import Scene

State = dict[str, np.ndarray]

#: Middle of the desk's front, at the height of the table, world frame [m]. Everything below is told from there; x goes into the desk.
PLACE = np.array([0.6, 0.0, 0.0])
#: Joint positions: the drawer is out at 0 and in at this one [m]; the door is closed at 0 and open at this one [rad]; a button is out
#: at 0 and in at this one [m].
DRAWER_IN, DOOR_OPEN, BUTTON_IN = 0.194, math.pi / 2 - 0.1, 0.012
#: Part of the way of drawer and door within which they count as closed; a button counts as pressed this far in [m].
CLOSED, PRESSED = 0.05, 0.008
#: What keeps drawer and door where they are left [N], [N m], and pushes a button out [N].
_DRAWER_BRAKE, _DOOR_BRAKE, _SPRING = 2.0, 0.3, 3.0

_DEPTH, _WIDTH, _HEIGHT, _BOARD = 0.26, 0.8, 0.235, 0.015
#: Origins of the links: the drawer's is in the middle of its front, where it is out; the door's at its hinge; the buttons' on top of each.
_DRAWER, _HINGE = np.array([-DRAWER_IN, 0.2275, 0.065]), np.array([0.0, -0.38, 0.14])
_BUTTONS = np.array([[0.1, 0.1, 0.257], [0.1, 0.0, 0.257], [0.1, -0.1, 0.257]])
#: Width of drawer and door [m].
_FRONT = 0.305
#: Handles, seen from those origins: the middle of a bar, which fingers reach behind, and of a post, which they take hold of.
_BAR, _POST = np.array([-0.066, 0.0, 0.065]), np.array([-0.075, 0.265, 0.025])
_BAR_LENGTH, _POST_LENGTH, _POST_WIDTH = 0.16, 0.14, 0.02
#: Inside of the drawer, lower and upper corners, seen from its origin [m]; upwards as far as something in it may stick out.
_INSIDE = np.array([[0.015, -0.135, 0.013], [0.23, 0.135, 0.1]])
#: Links of the desk.
DRAWER, DOOR = 0, 1

_WOOD: Colour = (0.76, 0.6, 0.42, 1.0)
_DARK_WOOD: Colour = (0.45, 0.32, 0.22, 1.0)
_LIGHT_WOOD: Colour = (0.87, 0.75, 0.58, 1.0)
_BLUE: Colour = (0.36, 0.53, 0.68, 1.0)
_METAL: Colour = (0.25, 0.25, 0.28, 1.0)
BUTTON_COLOURS: tuple[Colour, ...] = ((0.85, 0.2, 0.2, 1.0), (0.2, 0.45, 0.85, 1.0), (0.95, 0.78, 0.2, 1.0))

_TOUCHED = "1 when the arm presses on it"


def desk_leaves(has_buttons: bool) -> list[tuple]:
    """Returns the leaves that `Desk.read` gives values for."""
    leaves: list[tuple] = []
    for part, unit, speed, ends in (("drawer", "m", "m/s", "0 out"), ("cabinet", "rad", "rad/s", "of the door, 0 closed")):
        leaves += [
            (f"{part}/joint_position", (1,), INFINITE, np.float32, unit, ends),
            (f"{part}/joint_position_normalized", (1,), (0, 1), np.float32, "", "1 open, 0 closed"),
            (f"{part}/joint_velocity", (1,), INFINITE, np.float32, speed),
            (f"{part}/closed", (1,), (0, 1), np.float32, "", "1 when it is closed"),
            (f"{part}/aabb", (6,), INFINITE, np.float32, "m", "lowest x, y, z, then the highest, with the handle"),
            (f"{part}/contact", (1,), (0, 1), np.float32, "", _TOUCHED),
            (f"{part}/handle_position", (3,), INFINITE, np.float32, "m", "its middle, world frame"),
        ]
    leaves.append(("cabinet/handle_orientation_eul", (3,), INFINITE, np.float32, "rad", "0 when the door is closed"))
    if has_buttons:
        leaves += [
            ("buttons/position", (3, 3), INFINITE, np.float32, "m", "middle of the top of each, world frame"),
            ("buttons/joint_position", (3,), INFINITE, np.float32, "m", "0 out"),
            ("buttons/closed", (3,), (0, 1), np.float32, "", "1 when it is pressed"),
            ("buttons/contact", (3,), (0, 1), np.float32, "", _TOUCHED),
        ]
    return leaves


class Desk:
    """The desk of one episode, at rest.

    Args:
        scene: The world to put it in.
        drawer, door: Joint positions to start from [m], [rad].
        has_buttons: Whether there are three buttons on it.
    """

    def __init__(self, scene: Scene, drawer: float, door: float, has_buttons: bool) -> None:
        self._bullet, self._arm, self._has_buttons = scene.bullet, scene.arm.body, has_buttons
        links = [
            Link(drawer_parts(), _DRAWER, (1, 0, 0), (0, DRAWER_IN), mass=0.6, brake=_DRAWER_BRAKE),
            Link(door_parts(), _HINGE, (0, 0, 1), (0, DOOR_OPEN), "revolute", mass=0.6, brake=_DOOR_BRAKE),
        ]
        parts = _body_parts()
        if has_buttons:
            parts.append(Part((0.08, 0.3, 0.005), (0.1, 0.0, _HEIGHT + 0.0025), colour=_METAL))
            links += [
                Link(_button_parts(colour), place, (0, 0, -1), (0, BUTTON_IN), mass=0.05)
                for colour, place in zip(BUTTON_COLOURS, _BUTTONS, strict=True)
            ]
        bullet = self._bullet
        self.body = scene.add("the desk", parts, PLACE, links=links)
        self._joints = list(range(len(links)))
        bullet.resetJointState(self.body, DRAWER, min(max(drawer, 0.0), DRAWER_IN))
        bullet.resetJointState(self.body, DOOR, min(max(door, 0.0), DOOR_OPEN))
        for joint in self._joints[2:]:
            # A motor that is far too weak for its place is a spring: it pushes alike all the way.
            bullet.setJointMotorControl2(self.body, joint, bullet.POSITION_CONTROL, targetPosition=0.0, force=_SPRING)

    def read(self) -> State:
        """Returns the observations of `desk_leaves`, in float64."""
        bullet = self._bullet
        joints = np.array([joint[:2] for joint in bullet.getJointStates(self.body, self._joints)])
        (drawer, drawer_speed), (door, door_speed) = joints[:2]
        pressed = {contact[4] for contact in bullet.getContactPoints(bodyA=self._arm, bodyB=self.body) if contact[9] > 0}
        state: State = {}
        for name, link, position, speed, opening, handle in (
            ("drawer", DRAWER, drawer, drawer_speed, 1 - drawer / DRAWER_IN, drawer_handle(drawer)),
            ("cabinet", DOOR, door, door_speed, door / DOOR_OPEN, door_handle(door)),
        ):
            # Joints give way a little where they are pressed beyond their limits.
            opening = min(max(opening, 0.0), 1.0)
            low, high = bullet.getAABB(self.body, link)
            state[f"{name}/joint_position"] = np.array([position])
            state[f"{name}/joint_position_normalized"] = np.array([opening])
            state[f"{name}/joint_velocity"] = np.array([speed])
            state[f"{name}/closed"] = np.array([float(opening <= CLOSED)])
            state[f"{name}/aabb"] = np.array(low + high)
            state[f"{name}/contact"] = np.array([float(link in pressed)])
            state[f"{name}/handle_position"] = handle
        state["cabinet/handle_orientation_eul"] = np.array([0.0, 0.0, door])
        if self._has_buttons:
            depths = joints[2:, 0]
            tops = PLACE + _BUTTONS
            tops[:, 2] -= depths
            state["buttons/position"] = tops
            state["buttons/joint_position"] = depths
            state["buttons/closed"] = (depths >= PRESSED).astype(np.float64)
            state["buttons/contact"] = np.array([float(2 + i in pressed) for i in range(3)])
        return state


def drawer_handle(drawer: float) -> np.ndarray:
    """Returns the middle of the drawer's handle `(3,)`, world frame [m], for a joint position."""
    return drawer_place(drawer) + _BAR


def door_handle(door: float) -> np.ndarray:
    """Returns the middle of the door's handle `(3,)`, world frame [m], for a joint position."""
    cos, sin = math.cos(door), math.sin(door)
    x, y, z = _POST
    return door_place() + np.array([cos * x - sin * y, sin * x + cos * y, z])


def drawer_place(drawer: float) -> np.ndarray:
    """Returns the origin of the drawer's parts `(3,)`, world frame [m], for a joint position."""
    return PLACE + _DRAWER + np.array([drawer, 0.0, 0.0])


def door_place() -> np.ndarray:
    """Returns the origin of the door's parts `(3,)`, at the hinge, world frame [m]."""
    return PLACE + _HINGE


def inside_drawer(drawer: float) -> np.ndarray:
    """Returns lower and upper corner of the inside of the drawer `(2, 3)`, world frame [m], for a joint position."""
    return drawer_place(drawer) + _INSIDE


def button_places() -> np.ndarray:
    """Returns the middles of the tops of the buttons that are out, `(3, 3)`, world frame [m]."""
    return PLACE + _BUTTONS


def drawer_parts() -> list[Part]:
    """Returns the parts of the drawer, its handle the last three."""
    (depth, half), (_, _, bottom) = (_INSIDE[1, 0], _INSIDE[1, 1]), _INSIDE[0]
    wall, height, thin = 0.01, 0.055, 0.006
    middle = (0.015 + depth + wall) / 2
    length = depth + wall - 0.015
    return [
        Part((0.015, _FRONT, 0.085), (0.0075, 0.0, 0.0425), colour=_BLUE),
        Part((length, 2 * half, thin), (middle, 0.0, bottom - thin / 2), colour=_LIGHT_WOOD),
        *(
            Part((length, wall, height), (middle, side * (half + wall / 2), height / 2 + bottom - thin), colour=_LIGHT_WOOD)
            for side in (-1, 1)
        ),
        Part((wall, 2 * half, height), (depth + wall / 2, 0.0, height / 2 + bottom - thin), colour=_LIGHT_WOOD),
        Part((0.012, _BAR_LENGTH, 0.016), _BAR, colour=_METAL),
        *(
            Part((-_BAR[0], 0.01, 0.012), (_BAR[0] / 2, side * (_BAR_LENGTH / 2 - 0.005), _BAR[2]), colour=_METAL)
            for side in (-1, 1)
        ),
    ]


def door_parts() -> list[Part]:
    """Returns the parts of the door, its handle the last two."""
    return [
        Part((0.015, _FRONT, 0.15), (0.0075, _FRONT / 2, 0.0), colour=_BLUE),
        Part((_POST_WIDTH, _POST_WIDTH, _POST_LENGTH), _POST, colour=_METAL, kind="cylinder"),
        Part((-_POST[0], 0.014, 0.014), (_POST[0] / 2, _POST[1], _POST[2] - 0.05), colour=_METAL),
    ]


def _button_parts(colour: Colour) -> list[Part]:
    return [Part((0.05, 0.05, 0.016), (0.0, 0.0, -0.008), colour=colour, kind="cylinder")]


def _body_parts() -> list[Part]:
    """Returns what does not move: four walls, top, bottom, the board over the drawer, the panel in the middle and the back."""
    inner = _HEIGHT - _BOARD
    walls: Sequence[float] = (-(_WIDTH - _BOARD) / 2, -0.0625, 0.0625, (_WIDTH - _BOARD) / 2)
    wall = Part((_DEPTH, _BOARD, inner), colour=_WOOD)
    return [
        *(replace(wall, position=(_DEPTH / 2, y, inner / 2)) for y in walls),
        Part((_DEPTH, _WIDTH, _BOARD), (_DEPTH / 2, 0.0, inner + _BOARD / 2), colour=_LIGHT_WOOD),
        Part((_DEPTH, _WIDTH - 2 * _BOARD, _BOARD), (_DEPTH / 2, 0.0, 0.0525), colour=_WOOD),
        Part((_DEPTH, 0.315, 0.01), (_DEPTH / 2, 0.2275, 0.16), colour=_WOOD),
        Part((_BOARD, 0.11, 0.16), (_BOARD / 2, 0.0, 0.14), colour=_WOOD),
        Part((0.005, _WIDTH, _HEIGHT), (_DEPTH + 0.0025, 0.0, _HEIGHT / 2), colour=_DARK_WOOD),
    ]
