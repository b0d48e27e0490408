"""Blocks in the plane, moved by a driven box: what the worlds of pymunk have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.checks import check_running, read_teleop
from muse.envs.env import Env, EnvError
from muse.envs.pymunk.block_options import ARGUMENTS, GRAB, check_options, read_physics
from muse.envs.pymunk.offsets import find_offsets, offset_leaves
from muse.envs.pymunk.scene import Layout, Line, Polygon, Scene, State, box_polygon
from muse.envs.pymunk.view import BlockView
from muse.envs.scene_env import SceneEnv
from muse.envs.simple.canvas import Canvas
from muse.envs.teleop import TeleopInput, towards
from muse.specs import EnvSpec

#: How far two things may overlap in a start that was given [px].
_OVERLAP = 1.0
_INFINITE = (-np.inf, np.inf)
#: Names of the fields of a `State`, in their order.
_OBSERVED = (
    "position", "velocity", "block_positions", "block_angles", "block_velocities", "block_angular_velocities", "active_constraints",
)  # fmt: skip
_PI = 3.1416
#: Velocity of the ego for each px that it is away from where a person points [1/s].
_POINTER_GAIN = 5.0


class BlockEnv2D(SceneEnv[Scene, State], ABC):
    """A box (`ego`) that pushes, pulls and grabs blocks in a walled rectangle [px], y up. A subclass says what it is to do.

    `action` is the ego's velocity along x and y [px/s], up to `max_velocity`, and the grab, from 0 to 500. While it grabs, the ego
    catches every block whose outline comes within `(block_grabbing_frac - 1) ego_block_size` of its own, and holds it: on a rod,
    with a force that grows with the grab, and lets go below 50; or, where `grab_action_binary`, rigidly, and lets go below 250. The
    ego never turns. Walls and blocks that cannot move stop it.

    Observations: `position`, `velocity` of the ego, and of `n` blocks `block_positions`, `block_angles`, `block_velocities`,
    `block_angular_velocities` and `active_constraints` (1 for a held block); those of the task; on request bounding boxes,
    offsets and `image`. The param `block_sizes` `(n, 2)` and those of the task stay the same for an episode.

    With `use_dense_reward` the reward is minus the way that is left, as a fraction of the larger side of the world.

    Presets: `position`, `block_positions`, `block_angles`, `block_sizes`, and the task's observations that stay the same.
    """

    predefined_arguments = ARGUMENTS

    fingerprint_packages = ("pymunk",)
    cosmetic_params = (*Env.cosmetic_params, "horizon", "done_on_success", "block_bbox", "imgs", "default_teleop_speed")
    teleop_inputs = ("x", "y", "grip", "pointer")

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        check_options(self, self.name)
        self.physics = read_physics(self)
        self.ego_size = self.physics.ego_size
        #: Name, place among all numbers of a state, and shape, of each observation of ego and blocks.
        self._parts = _find_parts(env_spec, _OBSERVED if self.num_blocks else _OBSERVED[:2])
        self._shows_boxes = "bounding_box" in env_spec.observation_names
        self._shows_offsets = "block_offsets" in env_spec.observation_names
        self._view = BlockView(self.physics)

    # What a task says.

    def begin(self) -> None:
        """Called when `self.start` is known."""

    def get_reward(self, state: State, is_solved: bool) -> float:
        """Returns the reward of a step that led to a state."""
        return -self.distance_left(state) / max(self.grid_size) if self.use_dense_reward else float(is_solved)

    @abstractmethod
    def draw_goals(self, view: BlockView, canvas: Canvas) -> None:
        """Draws what is to be reached."""

    def find_walls(self) -> Sequence[Line]:
        """Returns the walls inside the world."""
        return ()

    def find_grooves(self) -> Sequence[Line]:
        """Returns the line along which each block slides; none, and blocks are free."""
        return ()

    def draw_sizes(self, given: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns the sizes `(n, 2)` [px] of the blocks: given, drawn between the bounds, or all the same."""
        if "block_sizes" in given:
            return given["block_sizes"]
        if self.block_size_lower is None:
            return np.full((self.num_blocks, 2), self.block_size)
        return self.rng.uniform(self.block_size_lower, self.block_size_upper, (self.num_blocks, 2))

    def make_parts(self) -> list[list[Polygon]]:
        """Returns the convex polygons of each block, around its centre of mass."""
        return [[box_polygon(width, height)] for width, height in self.start["block_sizes"].astype(np.float64).tolist()]

    def find_symmetries(self) -> list[float]:
        """Returns for each block the turn after which it looks as before [rad]."""
        return [math.pi / 2 if width == height else math.pi for width, height in self.start["block_sizes"].tolist()]

    def make_outlines(self) -> list[list[Polygon]]:
        """Returns the convex polygons that each block is drawn as; these may overlap."""
        return self.make_parts()

    # The contract.

    @classmethod
    def get_default_env_spec_params(cls, params: Mapping[str, Any]) -> AttrDict:
        """Returns the spec's group. Names of blocks are there when there are blocks."""
        n, grid, speed = params["num_blocks"], params["grid_size"], params["max_velocity"]
        leaves: list[tuple] = [
            ("position", (2,), (0.0, grid), np.float32, "px", "middle of the ego"),
            ("velocity", (2,), _INFINITE, np.float32, "px/s", "of the ego"),
        ]
        if n:
            leaves += [
                ("block_positions", (n, 2), (0.0, grid), np.float32, "px", "centres of mass"),
                ("block_angles", (n,), (-_PI, _PI), np.float32, "rad", "counterclockwise"),
                ("block_velocities", (n, 2), _INFINITE, np.float32, "px/s"),
                ("block_angular_velocities", (n,), _INFINITE, np.float32, "rad/s"),
                ("active_constraints", (n,), (0, 1), np.float32, "", "1 for each block that is held"),
            ]
        if params["block_bbox"]:
            meaning = "left, bottom, right, top"
            leaves.append(("bounding_box", (4,), _INFINITE, np.float32, "px", f"of the ego: {meaning}"))
            if n:
                leaves.append(("block_bounding_boxes", (n, 4), _INFINITE, np.float32, "px", meaning))
        task_observations, task_params = cls.get_task_leaves(params)
        leaves += task_observations
        if params["block_offsets"] and n:
            leaves += offset_leaves(n, [leaf[0] for leaf in task_observations])
        if params["imgs"]:
            leaves.append(("image", (params["img_height"], params["img_width"], 3), (0, 255), np.uint8))
        observations = [leaf[0] for leaf in leaves]
        if n:
            task_params = [("block_sizes", (n, 2), (0, max(grid)), np.float32, "px", "width and height"), *task_params]
        return AttrDict(
            cls=EnvSpec,
            names_shapes_limits_dtypes=[
                *leaves,
                *task_params,
                ("action", (3,), ([-speed, -speed, 0.0], [speed, speed, GRAB]), np.float32, "", "velocity x, y [px/s], grab"),
                ("reward", (1,), (-np.inf, 0) if params["use_dense_reward"] else (0, 1), np.float32),
                ("truncated", (1,), (0, 1), bool),
            ],
            observation_names=observations,
            output_observation_names=["reward", "truncated"],
            action_names=["action"],
            param_names=[leaf[0] for leaf in task_params],
        )

    @classmethod
    def get_start_names(cls, params: Mapping[str, Any]) -> list[str]:
        """Returns the names of ego, blocks and task."""
        blocks = ["block_positions", "block_angles", "block_sizes"] if params["num_blocks"] else []
        observations, task_params = cls.get_task_leaves(params)
        return ["position", *blocks, *(leaf[0] for leaf in (*observations, *task_params))]

    def place(self, given: Mapping[str, np.ndarray]) -> None:
        """Draws a start; one that was given may be without room."""
        self.start_from(self.draw_start(given))
        overlap, what = self._running_scene().find_overlap() if given else (0.0, "")
        if overlap > _OVERLAP:
            raise EnvError(f"{self.name}.reset: presets", f"{what} overlap by {overlap:.3g} px", "a start with room between them")

    def make_scene(self, values: Mapping[str, np.ndarray]) -> Scene:
        """Builds ego, blocks and walls."""
        self._symmetries = np.array(self.find_symmetries() if self.num_blocks else (), np.float32)
        self.begin()
        blocks = [values.get(name, np.zeros(0)) for name in ("block_positions", "block_angles")]
        parts = self.make_parts() if self.num_blocks else ()
        layout = Layout(values["position"], *blocks, parts, self.find_walls(), self.find_grooves())
        self._view.start(layout.walls, self.make_outlines() if self.num_blocks else (), self.draw_goals)
        return Scene(self.physics, layout)

    def read_move(self, action: np.ndarray) -> tuple[float, float, float]:
        """Returns velocity and grab within their limits, with noise."""
        vx, vy, grab = action.tolist()
        speed = self.max_velocity
        vx, vy, grab = min(speed, max(-speed, vx)), min(speed, max(-speed, vy)), min(GRAB, max(0.0, grab))
        if self.action_noise_prob and self.rng.random() < self.action_noise_prob:
            turn = self.action_noise_theta * self.rng.standard_normal()
            vx, vy = math.cos(turn) * vx - math.sin(turn) * vy, math.sin(turn) * vx + math.cos(turn) * vy
        return vx, vy, grab

    def move(self, scene: Scene, move: tuple[float, float, float]) -> None:
        """Drives the ego for `dt`."""
        scene.step(move[:2], move[2])

    def read_state(self, scene: Scene) -> State:
        """Returns where everything is."""
        return scene.read()

    def get_teleop_action(self, given: TeleopInput) -> AttrDict:
        """Drives the ego along `twist`, or to where the pointer is, at up to `default_teleop_speed`; the grip grabs."""
        where = f"{self.name}.get_teleop_action"
        check_running(self._scene is not None, where)
        twist, grip, pointer = read_teleop(given, where)
        speed = min(self.default_teleop_speed, self.max_velocity)
        velocity = (speed * twist[0], speed * twist[1])
        if pointer is not None:
            (x, y), (to_x, to_y) = self._state.position, self._view.place_at(*pointer)
            velocity = towards((to_x - x, to_y - y), _POINTER_GAIN, speed)
        return AttrDict(action=np.array([[*velocity, GRAB * grip]], np.float32))

    def render(self, size: int = 400) -> np.ndarray | None:
        """Returns the picture `(size, size, 3)` uint8, or None before the first reset."""
        return None if self._scene is None else self._view.draw(size, size, self._state)

    def observe(self, state: State) -> dict[str, np.ndarray]:
        """Returns the state in float32, with boxes, offsets and a picture where they are wanted."""
        # One array, of which each observation is a part of its own: an array for each takes three times as long.
        numbers = np.array(
            [*state[0], *state[1], *chain(*state[2]), *state[3], *chain(*state[4]), *state[5], *state[6]], np.float32
        )
        observation = {name: numbers[part].reshape(shape) for name, part, shape in self._parts}
        if self._shows_boxes:
            boxes = self._running_scene().bounding_boxes().astype(np.float32)
            observation["bounding_box"] = boxes[:1]
            if self.num_blocks:
                observation["block_bounding_boxes"] = boxes[None, 1:].copy()
        for name, value in self._fixed.items():
            observation[name] = value.copy()
        if self._shows_offsets:
            observation |= find_offsets(observation, self._symmetries)
        if self.imgs:
            observation["image"] = self._view.draw(self.img_height, self.img_width, state)[None]
        return observation


def _find_parts(env_spec: EnvSpec, names: Sequence[str]) -> list[tuple[str, slice, tuple[int, ...]]]:
    parts, begin = [], 0
    for name in names:
        shape = env_spec.leaf(name).shape
        end = begin + math.prod(shape)
        parts.append((name, slice(begin, end), (1, *shape)))
        begin = end
    return parts
