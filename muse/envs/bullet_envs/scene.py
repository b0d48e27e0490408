"""The physics of one episode: an arm at a table, and what lies on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from muse.envs.bullet_envs.bodies import MAX_PARTS, Link, Part, Surface, Vector, add_body
from muse.envs.bullet_envs.bullet import Bullet
from muse.envs.bullet_envs.camera import View, draw
from muse.envs.bullet_envs.kinematics import Chain
from muse.envs.bullet_envs.panda import Limits, Panda, presses
from muse.utils.rotations import euler_from_quaternion, matrix_from_quaternion

#: Steps of bullet in a `time_step`.
INNER_STEPS = 5
_GRAVITY = -9.81
_ITERATIONS = 50
#: Height of the floor [m]; the table's top is at 0.
_FLOOR = -0.6
_FLOOR_COLOUR = (0.86, 0.87, 0.88, 1.0)
_COLUMN_COLOUR = (0.35, 0.37, 0.4, 1.0)
#: How deep things may be in each other before they count as overlapping [m].
_TOUCHING = 1e-3


@dataclass(frozen=True)
class Physics:
    """What stays the same from episode to episode.

    Args:
        time_step: Time after which the motors are told anew [s].
        repeats: Time steps in a step of the env.
        control_mode: One of `muse.envs.bullet_envs.panda.MODES`.
        limits: How the arm may move.
        object_surface: Of objects.
    """

    time_step: float
    repeats: int
    control_mode: str
    limits: Limits
    object_surface: Surface

    @property
    def dt(self) -> float:
        """Time of a step of the env [s]."""
        return self.time_step * self.repeats


class Scene:
    """A world built anew for each episode: the same parts and actions give the same states to the bit.

    Bodies are added in the same order every time. What is added is forgotten with the episode.

    Args:
        bullet: A physics server; what was in it is gone.
        physics: What holds in every episode.
        chain: Of the arm's joints, as `read_chain` gives it.
        joints: Joint positions that the arm starts from `(9,)`.
        is_drawn: Whether pictures will be taken. Without, building takes a fifth of the time.
    """

    def __init__(self, bullet: Bullet, physics: Physics, chain: Chain, joints: np.ndarray, is_drawn: bool = True) -> None:
        self.bullet, self.physics, self.is_drawn = bullet, physics, is_drawn
        bullet.resetSimulation()
        bullet.setGravity(0.0, 0.0, _GRAVITY)
        bullet.setPhysicsEngineParameter(
            fixedTimeStep=physics.time_step / INNER_STEPS, numSolverIterations=_ITERATIONS, deterministicOverlappingPairs=1
        )
        self.arm = Panda(bullet, chain, joints, physics.limits, is_drawn)
        self.names = {self.arm.body: "the arm"}
        self.add("the floor", [Part((6.0, 6.0, 0.1), colour=_FLOOR_COLOUR)], (0.0, 0.0, _FLOOR - 0.05))
        column = Part((0.2, 0.2, -_FLOOR), colour=_COLUMN_COLOUR, is_solid=False)
        self.add("the column", [column], (-0.03, 0.0, _FLOOR / 2))
        #: Bodies of the objects, in their order.
        self.objects: list[int] = []

    def add(
        self,
        name: str,
        parts: Sequence[Part],
        position: Vector,
        euler: Vector = (0.0, 0.0, 0.0),
        mass: float = 0.0,
        surface: Surface = Surface(),  # noqa: B008 (frozen)
        links: Sequence[Link] = (),
    ) -> int:
        """Adds a body and returns its number; see `add_body`.

        Args:
            name: What messages call it.
        """
        body = add_body(self.bullet, parts, position, euler, mass, surface, links, self.is_drawn)
        self.names[body] = name
        return body

    def add_object(self, parts: Sequence[Part], position: Vector, euler: Vector, mass: float) -> int:
        """Adds one of the objects that are observed."""
        name = f"object {len(self.objects)}"
        body = self.add(name, parts, position, euler, mass, self.physics.object_surface)
        self.objects.append(body)
        return body

    def draw_only(self, parts: Sequence[Part], position: Vector = (0.0, 0.0, 0.0), euler: Vector = (0.0, 0.0, 0.0)) -> None:
        """Adds what nothing touches, such as a goal; nothing at all where no pictures are taken."""
        if self.is_drawn:
            shown = [replace(part, is_solid=False) for part in parts]
            for first in range(0, len(shown), MAX_PARTS):
                self.add("a goal", shown[first : first + MAX_PARTS], position, euler)

    def begin(self) -> None:
        """Called when everything is there."""
        self.bullet.performCollisionDetection()

    def step(self, action: np.ndarray) -> None:
        """Goes on by `repeats` time steps.

        Args:
            action: As `control_mode` says, within its limits or clipped to them.
        """
        arm, physics, step, dt = self.arm, self.physics, self.bullet.stepSimulation, self.physics.dt
        arm.shorten_leash()
        begin = arm.command
        arm.command = arm.aim(physics.control_mode, action, dt)
        way = arm.command - begin
        for i in range(physics.repeats):
            # The middle of the time step: its velocity brings the joints from half before to half behind.
            arm.tell(begin + way * ((i + 0.5) / physics.repeats), way / dt)
            for _ in range(INNER_STEPS):
                step()

    def lead(self, velocity: np.ndarray, gripper: float) -> np.ndarray:
        """Returns the action by which the hand moves for a step; see `Panda.lead`."""
        return self.arm.lead(self.physics.control_mode, velocity, gripper, self.physics.dt)

    def read(self) -> dict[str, np.ndarray]:
        """Returns what arm and `n` objects are doing, in float64."""
        state = self.arm.read()
        if self.objects:
            state.update(self.read_objects())
        return state

    def read_objects(self) -> dict[str, np.ndarray]:
        """Returns the names `objects/...`, each `(n, ...)`."""
        bullet, objects = self.bullet, self.objects
        poses = [bullet.getBasePositionAndOrientation(body) for body in objects]
        velocities = [bullet.getBaseVelocity(body) for body in objects]
        boxes = [bullet.getAABB(body) for body in objects]
        return {
            "objects/position": np.array([position for position, _ in poses]),
            "objects/orientation_eul": np.array([euler_from_quaternion(quaternion) for _, quaternion in poses]),
            "objects/velocity": np.array([linear for linear, _ in velocities]),
            "objects/angular_velocity": np.array([angular for _, angular in velocities]),
            "objects/aabb": np.array([low + high for low, high in boxes]),
            "objects/contact": np.array([float(self.touches(self.arm.body, body)) for body in objects]),
        }

    def touches(self, body: int, other: int, link: int | None = None, other_link: int | None = None) -> bool:
        """Whether two bodies, or links of them, press on each other."""
        links = {"linkIndexA": link, "linkIndexB": other_link}
        given = {name: value for name, value in links.items() if value is not None}
        return presses(self.bullet.getContactPoints(bodyA=body, bodyB=other, **given))

    def find_overlap(self) -> tuple[float, str]:
        """Returns how deep two things are in each other at most [m], and which; 0 where they only touch."""
        worst, what = 0.0, ""
        for contact in self.bullet.getContactPoints():
            depth, bodies = -contact[8], (contact[1], contact[2])
            if depth > max(worst, _TOUCHING) and bodies[0] != bodies[1]:
                worst, what = depth, " and ".join(self.names[body] for body in bodies)
        return worst, what

    def draw(self, view: View, height: int, width: int) -> np.ndarray:
        """Returns a picture, `(Y, X, 3)` uint8."""
        return draw(self.bullet, view, height, width)

    def hand_view(self) -> View:
        """Returns what the camera at the wrist sees: the fingers' ends from behind, the table below them."""
        state = self.bullet.getLinkState(self.arm.body, self.arm.hand, computeForwardKinematics=True)
        turn, place = matrix_from_quaternion(state[5]), np.array(state[4])
        x, _, z = turn.T
        return View(place + 0.09 * x, place + 0.03 * x + 0.12 * z, x, 75.0)
