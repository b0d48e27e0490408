"""The physics of one episode: a box that is driven, blocks, and walls."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from muse.utils.angles import wrap
from muse.utils.optional import require

#: Time of one step of pymunk [s].
PHYSICS_DT = 1 / 250
#: Half the thickness of walls [px].
WALL_RADIUS = 3.0
#: What drives the ego: enough to push all blocks, not enough to press one through a wall.
_DRIVE_FORCE = 2e6
_ITERATIONS = 20
#: Fractions of the full grab from which a block is held, rigidly or on a rod. Not 0: a learned policy never says exactly 0.
_RIGID_GRAB, _ROD_GRAB = 0.5, 0.1

Line = tuple[tuple[float, float], tuple[float, float]]
#: Corners of a convex polygon `(k, 2)` [px], seen from its body.
Polygon = np.ndarray


@dataclass(frozen=True)
class Physics:
    """What stays the same from episode to episode.

    Args:
        grid_size: Width and height of the world [px].
        dt: Time of an env's step [s].
        gravity: [px/s^2].
        damping: Part of every velocity that is left after a second.
        ego_size: Side of the driven box [px].
        block_mass, block_friction, line_friction, corner_radius: Of blocks and walls.
        is_grab_rigid: Whether a held block turns no more; otherwise it hangs on a rod.
        grab_reach: Gap between outlines up to which a block is caught [px].
        grab_one_only: Only the nearest block.
        grab_force: Force up to which a block is held.
        grab_full: Grab action at which all of that force is there.
    """

    grid_size: tuple[float, float]
    dt: float
    gravity: tuple[float, float]
    damping: float
    ego_size: float
    block_mass: float
    block_friction: float
    line_friction: float
    corner_radius: float
    is_grab_rigid: bool
    grab_reach: float
    grab_one_only: bool
    grab_force: float
    grab_full: float


@dataclass(frozen=True)
class Layout:
    """Where an episode begins, at rest.

    Args:
        position: Of the ego `(2,)` [px].
        block_positions: `(n, 2)` [px].
        block_angles: `(n,)` [rad].
        block_parts: For each block, the convex polygons that it is made of, around its centre of mass.
        walls: Lines inside the world [px]; its edge is always walled.
        grooves: For each block, the line along which it slides without turning; none at all, and blocks are free.
    """

    position: np.ndarray
    block_positions: np.ndarray
    block_angles: np.ndarray
    block_parts: Sequence[Sequence[Polygon]]
    walls: Sequence[Line] = ()
    grooves: Sequence[Line] = ()


class State(NamedTuple):
    """Positions [px], angles [rad] and velocities [px/s, rad/s] at one time, in float64; `held` is 1 for a block that is held."""

    position: tuple[float, float]
    velocity: tuple[float, float]
    block_positions: list[tuple[float, float]]
    block_angles: list[float]
    block_velocities: list[tuple[float, float]]
    block_angular_velocities: list[float]
    held: list[float]


class Scene:
    """A pymunk space built from a layout; the same layout and actions give the same states to the bit.

    The ego is a box that never turns. A moving point drags it along with a limited force, so walls and blocks stop it.

    Args:
        physics: What holds in every episode.
        layout: Where this one begins.

    Raises:
        MissingExtraError: Where pymunk is not installed.
    """

    def __init__(self, physics: Physics, layout: Layout) -> None:
        self._pymunk = pymunk = require("pymunk", "pymunk", "BlockEnv2D")
        self.physics = physics
        self.space = pymunk.Space()
        self.space.gravity, self.space.damping = physics.gravity, physics.damping
        self.space.iterations = _ITERATIONS
        self._substeps = max(1, round(physics.dt / PHYSICS_DT))
        self._add_walls(layout.walls)
        square = box_polygon(physics.ego_size, physics.ego_size)
        self.ego, self._ego_shapes = self._add_body(layout.position, 0.0, [square], math.inf)
        self._drive = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        self._drive.position = self.ego.position
        joint = pymunk.PivotJoint(self._drive, self.ego, (0, 0), (0, 0))
        # Velocities are led, not positions: a blocked ego does not jump when its way is free again.
        joint.max_bias, joint.max_force = 0, _DRIVE_FORCE
        self.space.add(self._drive, joint)
        self.blocks: list[Any] = []
        self._block_shapes: list[list[Any]] = []
        for position, angle, parts in zip(layout.block_positions, layout.block_angles, layout.block_parts, strict=True):
            body, shapes = self._add_body(position, float(angle), parts, math.inf if layout.grooves else None)
            self.blocks.append(body)
            self._block_shapes.append(shapes)
        for body, (begin, end) in zip(self.blocks, layout.grooves, strict=False):
            self.space.add(pymunk.GrooveJoint(self.space.static_body, body, begin, end, (0, 0)))
        self._joints: list[list[Any]] = [[] for _ in self.blocks]
        self._step_on = _find_plain_step(self.space)
        self._bodies = _Bodies(self.space)
        self._places = [self._bodies.find(body) for body in (self.ego, *self.blocks)]

    def step(self, velocity: tuple[float, float], grab: float) -> None:
        """Goes on by `physics.dt`.

        Args:
            velocity: At which the ego is driven [px/s].
            grab: How strongly blocks are held, up to `physics.grab_full`; let go below a tenth of it, or when rigid
                below half of it.
        """
        self._drive.velocity = velocity
        if self.blocks:
            self._grab(grab)
        self.space.step(PHYSICS_DT)
        step = self._step_on
        for _ in range(self._substeps - 1):
            step(PHYSICS_DT)

    def read(self) -> State:
        """Returns where everything is."""
        values = self._bodies.read()
        (x, y, _, vx, vy, _), *rows = [values[at : at + 6] for at in self._places]
        return State(
            (x, y), (vx, vy), [(row[0], row[1]) for row in rows], [wrap(row[2]) for row in rows], [(row[3], row[4]) for row in rows],
            [row[5] for row in rows], [1.0 if joints else 0.0 for joints in self._joints],
        )  # fmt: skip

    def bounding_boxes(self) -> np.ndarray:
        """Returns left, bottom, right and top `(1 + n, 4)` [px] of the ego and of every block."""
        boxes = []
        for shapes in [self._ego_shapes, *self._block_shapes]:
            box = shapes[0].bb
            for shape in shapes[1:]:
                box = box.merge(shape.bb)
            boxes.append(tuple(box))
        return np.array(boxes)

    def find_overlap(self) -> tuple[float, str]:
        """Returns how far two things overlap at most [px], and which."""
        names = {self.space.static_body: "a wall", self.ego: "the ego"}
        names.update((body, f"block {i}") for i, body in enumerate(self.blocks))
        worst = (0.0, "nothing")
        for shape in [*self._ego_shapes, *(shape for shapes in self._block_shapes for shape in shapes)]:
            for info in self.space.shape_query(shape):
                # The sign depends on which of the two shapes comes first.
                depth = max((abs(point.distance) for point in info.contact_point_set.points), default=0.0)
                if info.shape is not None and info.shape.body is not shape.body and depth > worst[0]:
                    worst = (depth, f"{names[shape.body]} and {names[info.shape.body]}")
        return worst

    def _add_walls(self, walls: Sequence[Line]) -> None:
        width, height = self.physics.grid_size
        r = WALL_RADIUS
        corners = [(-r, -r), (width + r, -r), (width + r, height + r), (-r, height + r)]
        edges = list(zip(corners, corners[1:] + corners[:1], strict=True))
        for begin, end in [*edges, *walls]:
            segment = self._pymunk.Segment(self.space.static_body, begin, end, r)
            segment.friction = self.physics.line_friction
            self.space.add(segment)

    def _add_body(
        self, position: np.ndarray, angle: float, parts: Sequence[Polygon], moment: float | None
    ) -> tuple[Any, list[Any]]:
        """Adds a body of `block_mass`, with the moment of inertia of its parts where none is given."""
        pymunk, physics = self._pymunk, self.physics
        polygons = [[tuple(map(float, corner)) for corner in part] for part in parts]
        areas = [area_of(np.asarray(part)) for part in parts]
        if moment is None:
            moments = [
                pymunk.moment_for_poly(physics.block_mass * area / sum(areas), corners)
                for area, corners in zip(areas, polygons, strict=True)
            ]
            moment = sum(moments)
        body = pymunk.Body(physics.block_mass, moment)
        body.position, body.angle = (float(position[0]), float(position[1])), angle
        shapes = [pymunk.Poly(body, corners, radius=physics.corner_radius) for corners in polygons]
        for shape in shapes:
            shape.friction = physics.block_friction
        self.space.add(body, *shapes)
        return body, shapes

    def _grab(self, grab: float) -> None:
        physics = self.physics
        strength = min(1.0, grab / physics.grab_full)
        wanted = strength >= (_RIGID_GRAB if physics.is_grab_rigid else _ROD_GRAB)
        force = physics.grab_force if physics.is_grab_rigid else physics.grab_force * strength
        if not wanted:
            for joints in self._joints:
                if joints:
                    self.space.remove(*joints)
                    joints.clear()
            return
        if not (physics.grab_one_only and any(self._joints)):
            for i in self._within_reach():
                self._joints[i] = self._hold(self.blocks[i], self._block_shapes[i])
                self.space.add(*self._joints[i])
        for joints in self._joints:
            for joint in joints:
                joint.max_force = force

    def _within_reach(self) -> list[int]:
        """Returns the blocks that are free and near enough to be caught, the nearest first; at most one where only one is held."""
        gaps = {i: self._nearest_point(self._block_shapes[i])[0] for i, joints in enumerate(self._joints) if not joints}
        near = [i for i in sorted(gaps, key=gaps.__getitem__) if gaps[i] <= self.physics.grab_reach]
        return near[:1] if self.physics.grab_one_only else near

    def _nearest_point(self, shapes: Sequence[Any]) -> tuple[float, Any]:
        """Returns the gap between the outlines of the ego and a block [px], and where it is, on the block."""
        ego, (shape_of_ego,) = self.ego, self._ego_shapes
        corners = [ego.position + corner for corner in shape_of_ego.get_vertices()]
        found = [shape.point_query(corner) for shape in shapes for corner in corners]
        best = min(((info.distance, info.point) for info in found), key=lambda pair: pair[0])
        for shape in shapes:
            for corner in shape.get_vertices():
                place = shape.body.local_to_world(corner)
                distance = shape_of_ego.point_query(place).distance
                if distance < best[0]:
                    best = (distance, place)
        return best

    def _hold(self, block: Any, shapes: Sequence[Any]) -> list[Any]:
        pymunk, ego = self._pymunk, self.ego
        if self.physics.is_grab_rigid:
            weld = pymunk.PivotJoint(ego, block, tuple(block.position))
            return [weld, pymunk.GearJoint(ego, block, block.angle - ego.angle, 1.0)]
        place = self._nearest_point(shapes)[1]
        return [pymunk.PinJoint(ego, block, (0, 0), block.world_to_local(place))]


class _Bodies:
    """Reads all bodies of a space in one call, which takes a third of the time of asking each for each."""

    def __init__(self, space: Any) -> None:
        batch = require("pymunk.batch", "pymunk", "BlockEnv2D")
        fields = batch.BodyFields
        self._space, self._read, self._buffer = space, batch.get_space_bodies, batch.Buffer()
        self._fields = fields.POSITION | fields.ANGLE | fields.VELOCITY | fields.ANGULAR_VELOCITY
        self._read(space, fields.BODY_ID, self._buffer)
        self._ids = memoryview(self._buffer.int_buf()).cast("N").tolist()

    def find(self, body: Any) -> int:
        """Returns where the numbers of a body begin."""
        return 6 * self._ids.index(body.id)

    def read(self) -> list[float]:
        """Returns x, y, angle, the velocities along x and y, and the angular one, of each body."""
        self._buffer.clear()
        self._read(self._space, self._fields, self._buffer)
        return memoryview(self._buffer.float_buf()).cast("d").tolist()


def _find_plain_step(space: Any) -> Callable[[float], object]:
    """Returns a step of the engine without what pymunk does around it in Python, which takes half of the time of a small scene.

    pymunk looks there for what was added and removed, and for callbacks: it is enough that the first of the steps between two actions
    does so. Where a version of pymunk keeps the engine elsewhere, the whole step is returned; the states are the same to the bit.
    """
    try:
        return functools.partial(importlib.import_module("pymunk._chipmunk_cffi").lib.cpSpaceStep, space._space)
    except (ImportError, AttributeError):
        return space.step


def box_polygon(width: float, height: float) -> Polygon:
    """Returns the corners of an upright box around the origin, `(4, 2)`, counterclockwise."""
    return np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2


def area_of(polygon: Polygon) -> float:
    """Returns the area of a polygon."""
    x, y = polygon[:, 0], polygon[:, 1]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
