"""Bodies made of simple parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from muse.envs.bullet_envs.bullet import Bullet
from muse.envs.env import EnvError
from muse.utils.rotations import euler_from_matrix, matrix_from_euler, quaternion_from_euler

#: Red, green and blue from 0 to 1, and 1: what lets light through is drawn as if it did not.
Colour = tuple[float, float, float, float]
Vector = Sequence[float]
#: Parts of a base or link; with more, pybullet writes where it must not.
MAX_PARTS = 16
_UPRIGHT = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Part:
    """A convex piece of a body.

    Args:
        size: Along x, y and z [m]; of a cylinder, which stands along z, diameter, diameter and height.
        position: Of its middle, seen from the body `(3,)` [m].
        euler: Its orientation likewise `(3,)` [rad].
        colour: How it is drawn.
        kind: `box`, `cylinder` or `sphere`.
        is_solid: Whether anything touches it; otherwise it is only drawn.
    """

    size: Vector
    position: Vector = (0.0, 0.0, 0.0)
    euler: Vector = (0.0, 0.0, 0.0)
    colour: Colour = (0.6, 0.6, 0.6, 1.0)
    kind: str = "box"
    is_solid: bool = True


@dataclass(frozen=True)
class Link:
    """A piece of a body that slides or turns against its base.

    Args:
        parts: What it is made of, around its origin.
        position: Of its origin, and of the joint, seen from the base `(3,)` [m].
        axis: Along which it slides, or about which it turns `(3,)`.
        limits: Of the joint [m] or [rad].
        kind: `prismatic` or `revolute`.
        mass: [kg].
        brake: Force [N] or torque [N m] of the joint against every movement.
    """

    parts: Sequence[Part]
    position: Vector
    axis: Vector
    limits: tuple[float, float]
    kind: str = "prismatic"
    mass: float = 0.1
    brake: float = 0.0


@dataclass(frozen=True)
class Surface:
    """How a body touches others. pybullet multiplies the frictions of the two.

    Args:
        friction: Against sliding.
        spinning, rolling: Against turning on a spot, and rolling [m].
    """

    friction: float = 1.0
    spinning: float = 0.0
    rolling: float = 0.0


def add_body(
    bullet: Bullet,
    parts: Sequence[Part],
    position: Vector,
    euler: Vector = (0.0, 0.0, 0.0),
    mass: float = 0.0,
    surface: Surface = Surface(),
    links: Sequence[Link] = (),
    is_drawn: bool = True,
) -> int:
    """Adds a body to the world and returns its number.

    Args:
        bullet: The world.
        parts: What its base is made of, around its centre of mass.
        position, euler: Of the base `(3,)` [m] and `(3,)` [rad].
        mass: Of the base [kg]; 0: it never moves.
        surface: Of base and links.
        links: Pieces that move against the base, numbered from 0.
        is_drawn: Whether pictures will be taken.

    Raises:
        EnvError: When base or a link has more than `MAX_PARTS` parts.
    """
    shapes = [_shapes(bullet, piece, is_drawn) for piece in (parts, *(link.parts for link in links))]
    kinds = {"prismatic": bullet.JOINT_PRISMATIC, "revolute": bullet.JOINT_REVOLUTE}
    count = len(links)
    body: int = bullet.createMultiBody(
        mass,
        *shapes[0],
        basePosition=_floats(position),
        baseOrientation=quaternion_from_euler(euler),
        linkMasses=[link.mass for link in links],
        linkCollisionShapeIndices=[collision for collision, _ in shapes[1:]],
        linkVisualShapeIndices=[visual for _, visual in shapes[1:]],
        linkPositions=[_floats(link.position) for link in links],
        linkOrientations=[_UPRIGHT] * count,
        linkInertialFramePositions=[(0.0, 0.0, 0.0)] * count,
        linkInertialFrameOrientations=[_UPRIGHT] * count,
        linkParentIndices=[0] * count,
        linkJointTypes=[kinds[link.kind] for link in links],
        linkJointAxis=[_floats(link.axis) for link in links],
    )
    touch = {"lateralFriction": surface.friction, "spinningFriction": surface.spinning, "rollingFriction": surface.rolling}
    bullet.changeDynamics(body, -1, linearDamping=0.0, angularDamping=0.0, **touch)
    for index, link in enumerate(links):
        low, high = link.limits
        bullet.changeDynamics(body, index, jointLowerLimit=low, jointUpperLimit=high, jointDamping=0.0, **touch)
        # Joints come with a motor that holds them.
        bullet.setJointMotorControl2(body, index, bullet.VELOCITY_CONTROL, targetVelocity=0.0, force=link.brake)
    return body


def outline(parts: Sequence[Part], colour: Colour, thickness: float = 0.005) -> list[Part]:
    """Returns the edges of boxes, and the rims of cylinders, as parts that are only drawn: where something is to be."""
    return [edge for part in parts for edge in (_rims if part.kind == "cylinder" else _edges)(part, colour, thickness)]


def ring(
    radius: float, colour: Colour, thickness: float = 0.003, position: Vector = (0.0, 0.0, 0.0), count: int = 24
) -> list[Part]:
    """Returns a ring that lies flat and is only drawn, as parts."""
    length = 2 * radius * math.tan(math.pi / count) + thickness
    return [
        Part(
            (thickness, length, thickness),
            (position[0] + radius * math.cos(turn), position[1] + radius * math.sin(turn), position[2]),
            (0.0, 0.0, turn),
            colour,
            is_solid=False,
        )
        for turn in (2 * math.pi * i / count for i in range(count))
    ]


def _edges(part: Part, colour: Colour, thickness: float) -> list[Part]:
    turn, middle, half = matrix_from_euler(part.euler), np.asarray(part.position), np.asarray(part.size) / 2
    edges = []
    for axis in range(3):
        size = [thickness] * 3
        size[axis] = part.size[axis] + thickness
        for first in (-1, 1):
            for second in (-1, 1):
                corner = np.insert([first, second], axis, 0) * half
                edges.append(Part(size, (middle + turn @ corner).tolist(), part.euler, colour, is_solid=False))
    return edges


def _rims(part: Part, colour: Colour, thickness: float) -> list[Part]:
    turn, middle = matrix_from_euler(part.euler), np.asarray(part.position)
    return [
        replace(
            piece,
            position=(middle + turn @ np.asarray(piece.position)).tolist(),
            euler=euler_from_matrix(turn @ matrix_from_euler(piece.euler)).tolist(),
        )
        for side in (-1, 1)
        for piece in ring(part.size[0] / 2, colour, thickness, (0.0, 0.0, side * part.size[2] / 2))
    ]


def _shapes(bullet: Bullet, parts: Sequence[Part], is_drawn: bool) -> tuple[int, int]:
    """Returns the numbers of the shapes to touch and to draw, -1 for none."""
    if len(parts) > MAX_PARTS:
        raise EnvError("add_body: parts", f"{len(parts)} parts", f"up to {MAX_PARTS}", "make several bodies or links of them")
    solid = [part for part in parts if part.is_solid]
    collision = bullet.createCollisionShapeArray(**_arrays(bullet, solid, "collision")) if solid else -1
    visual = -1
    if is_drawn and parts:
        colours = [list(part.colour) for part in parts]
        visual = bullet.createVisualShapeArray(rgbaColors=colours, **_arrays(bullet, parts, "visual"))
    return collision, visual


def _arrays(bullet: Bullet, parts: Sequence[Part], use: str) -> dict[str, Any]:
    kinds = {"box": bullet.GEOM_BOX, "cylinder": bullet.GEOM_CYLINDER, "sphere": bullet.GEOM_SPHERE}
    return {
        "shapeTypes": [kinds[part.kind] for part in parts],
        "halfExtents": [[float(side) / 2 for side in part.size] for part in parts],
        "radii": [float(part.size[0]) / 2 for part in parts],
        "lengths": [float(part.size[2]) for part in parts],
        f"{use}FramePositions": [_floats(part.position) for part in parts],
        f"{use}FrameOrientations": [quaternion_from_euler(part.euler) for part in parts],
    }


def _floats(vector: Vector) -> list[float]:
    return [float(value) for value in vector]
