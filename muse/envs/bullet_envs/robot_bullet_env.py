"""An arm at a table with objects on it: what the worlds of bullet have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from attrdict import AttrDict

from muse.envs.bullet_envs.bodies import Part
from muse.envs.bullet_envs.bullet import Bullet
from muse.envs.bullet_envs.bullet_options import ARGUMENTS, check_options, read_limits, read_physics
from muse.envs.bullet_envs.camera import View
from muse.envs.bullet_envs.panda import CLOSED, FINGER_WIDTH, HOME, read_chain
from muse.envs.bullet_envs.presets import HAND, reach_start, read_given
from muse.envs.bullet_envs.robot_spec import make_group
from muse.envs.bullet_envs.scene import Scene
from muse.envs.bullet_envs.table import add_table
from muse.envs.checks import check_running, read_action, read_teleop
from muse.envs.env import Env, EnvError, default_env_params
from muse.envs.teleop import TeleopInput
from muse.envs.window import Window
from muse.specs import EnvSpec
from muse.utils.attrdicts import nest
from muse.utils.seeding import make_generator

#: What is observed at one time: name -> float64, without batch dimension.
State = dict[str, np.ndarray]
#: Starts that are drawn before one without overlaps must have come.
_ATTEMPTS = 20


class RobotBulletEnv(Env, ABC):
    """A Panda at a table, with `n` objects. A subclass says what they are and what is to be done.

    `action`, ten times a second: the pose of the hand and the gripper (`control_mode` `pose`), a change of that pose
    (`delta_pose`), or joint positions and the gripper (`joint`). The hand stays in a box above the table and moves no faster
    than `max_speed`; a target far away is approached step by step. Its orientation is told as Euler angles of the turn from
    straight down, so that 0, 0, 0 is the usual grasp with the fingers opening along y. x points away from the arm's base, which
    is at the origin, z up; the table's top is at 0.

    Observations: the arm (`ee_position`, `ee_orientation_eul`, `ee_velocity`, `ee_angular_velocity`, `joint_positions`,
    `gripper_pos`, `gripper_tip_pos`, `finger_left_contact`, `finger_right_contact`, `wrist_ft`), the objects
    (`objects/position`, `objects/orientation_eul`, `objects/velocity`, `objects/angular_velocity`, `objects/aabb`,
    `objects/contact`), those of the task, and on request offsets, `image` and `ego_image`. The params `objects/size`,
    `objects/mass` and those of the task stay the same for an episode.

    The reward is 1 in a state that solves the task and 0 in any other; with `use_dense_reward`, minus what is left to be done: a
    way [m], or a turn [rad]. An episode starts at rest, from numbers that float32 holds: its first observation and params, given
    as presets, begin it again to the bit.

    Presets: `joint_positions`, or `ee_position` and `ee_orientation_eul`; `objects/position`, `objects/orientation_eul`,
    `objects/size`, `objects/mass`, and the task's observations that stay the same.
    """

    predefined_arguments = ARGUMENTS
    fingerprint_packages = ("pybullet",)
    cosmetic_params = (
        *Env.cosmetic_params, "horizon", "done_on_success", "object_offsets", "imgs", "ego_imgs", "render_size",
        "default_teleop_speed", "default_teleop_turn_speed",
    )  # fmt: skip
    teleop_inputs = ("x", "y", "z", "roll", "pitch", "yaw", "grip")

    #: Corners of the box in which the hand stays `(3,)` [m].
    hand_low: ClassVar[Sequence[float]] = (0.29, -0.24, 0.01)
    hand_high: ClassVar[Sequence[float]] = (0.67, 0.24, 0.4)
    #: What `image`, `render()` and the window show.
    view: ClassVar[View] = View((1.1, 0.32, 0.68), (0.43, 0.0, 0.08), angle=44.0)

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        self.name = type(self).__name__
        check_options(self, self.name)
        options = default_env_params(type(self), self.params)
        self.limits = read_limits(options, self.hand_low, self.hand_high)
        self.physics = read_physics(options, self.limits)
        self.rng = np.random.Generator(np.random.PCG64())
        #: What the episode began with, by name, without batch dimension.
        self.start: State = {}
        self._start_names = self.get_start_names(options)
        self._fixed_names = [leaf[0] for leaf in self.get_task_leaves(options)[0]]
        self._bullet: Bullet | None = None
        self._scene: Scene | None = None
        self._is_drawn = self.imgs or self.ego_imgs or self.render_window
        self._actions: list[np.ndarray] = []
        self._is_running = False
        self._window = Window(f"Muse: {self.name}", fps=round(1 / (self.time_step * self.skip_n_frames_every_step)))

    # What a world says.

    @classmethod
    @abstractmethod
    def get_task_leaves(cls, params: Mapping[str, Any]) -> tuple[list[tuple], list[tuple]]:
        """Returns the leaves of the task that stay the same for an episode: observations (its goal), and params.

        Args:
            params: Options, defaults filled in.
        """

    @abstractmethod
    def draw_start(self, given: State) -> State:
        """Returns a value for every start name but `joint_positions`: the given one, else one drawn from `self.rng`.

        Raises:
            EnvError: When there is no room.
        """

    @abstractmethod
    def make_objects(self) -> list[list[Part]]:
        """Returns the parts of each object, around its centre of mass, from `self.start`."""

    @abstractmethod
    def is_solved(self, state: State) -> bool:
        """Whether the task is solved in a state."""

    @abstractmethod
    def distance_left(self, state: State) -> float:
        """Returns the way that is left in a state [m]."""

    def draw_goals(self, scene: Scene) -> None:
        """Adds what shows the goal, with `scene.draw_only`."""

    @classmethod
    def get_extra_leaves(cls, params: Mapping[str, Any]) -> list[tuple]:
        """Returns the leaves of further observations, those of `read_extras`."""
        return []

    @classmethod
    def get_start_names(cls, params: Mapping[str, Any]) -> list[str]:
        """Returns the names of the spec that say how an episode begins; a world with joints of its own adds theirs."""
        observations, task_params = cls.get_task_leaves(params)
        objects = ["objects/position", "objects/orientation_eul", "objects/size", "objects/mass"] if params["num_blocks"] else []
        return ["joint_positions", *objects, *(leaf[0] for leaf in (*observations, *task_params))]

    def build(self, scene: Scene) -> None:
        """Adds what stands around the objects, from `self.start`: the table, and whatever a world has besides."""
        add_table(scene, self.table_friction_coef)

    def after_time_step(self, scene: Scene) -> None:
        """Called after each `time_step`, for what a world does by itself."""

    def read_extras(self, scene: Scene) -> State:
        """Returns the observations of `get_extra_leaves`."""
        return {}

    def draw_sizes(self, given: State) -> np.ndarray:
        """Returns sizes `(n, 3)` [m]: given, or drawn between the bounds."""
        shape = (self.num_blocks, 3)
        return given.get("objects/size", self.rng.uniform(self.object_size_lower, self.object_size_upper, shape))

    def draw_masses(self, given: State) -> np.ndarray:
        """Returns masses `(n,)` [kg]: given, or drawn between the bounds."""
        return given.get("objects/mass", self.rng.uniform(*self.object_mass_bounds, self.num_blocks))

    # The contract.

    @classmethod
    def get_default_env_spec_params(cls, params: Mapping[str, Any]) -> AttrDict:
        """Returns the spec's group."""
        limits = read_limits(params, cls.hand_low, cls.hand_high)
        return make_group(params, cls.get_task_leaves(params), cls.get_extra_leaves(params), limits)

    @classmethod
    def get_cosmetic_params(cls, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Returns the cosmetic options, with the size of pictures that are not observed."""
        seen = params.get("imgs") or params.get("ego_imgs")
        return cls.cosmetic_params if seen else (*cls.cosmetic_params, "img_width", "img_height")

    @classmethod
    def get_start(cls, params: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns where everything was: with the same actions, the same episode to the bit."""
        names = cls.get_start_names(params)
        return {name: first[name] for name in names} if all(name in first for name in names) else None

    def reset(self, presets: Mapping[str, Any] | None = None, seed: int | None = None) -> tuple[AttrDict, AttrDict]:
        """Starts an episode; see `Env.reset`.

        Raises:
            EnvError: For an unknown preset, one of the wrong shape, out of reach or inside something else, or without room.
        """
        given = read_given(presets, self._start_names, self.env_spec, f"{self.name}.reset")
        if seed is not None:
            self.rng = make_generator(seed, "env")
        overlap = ""
        for _ in range(_ATTEMPTS):
            drawn = {"joint_positions": self._draw_joints(given), **self.draw_start(given)}
            self.start = {name: np.asarray(drawn[name]).astype(self.env_spec.leaf(name).dtype) for name in self._start_names}
            self._build()
            depth, what = self._running_scene().find_overlap()
            if not what:
                return self._begin()
            overlap = f"{what} overlap by {1000 * depth:.3g} mm"
        self._scene = None
        raise EnvError(f"{self.name}.reset{': presets' if given else ''}", overlap, "a start with room between things")

    def step(self, action: Mapping[str, Any]) -> tuple[AttrDict, AttrDict, np.ndarray]:
        """Moves the arm for a step; see `Env.step`."""
        check_running(self._is_running, f"{self.name}.step")
        value = read_action(self.env_spec, action, f"{self.name}.step")["action"].astype(np.float64)
        self._actions.append(value)
        self._running_scene().step(value, self.after_time_step)
        state = self._state = self._read()
        solved = self.is_solved(state)
        ended = solved and self.done_on_success
        truncated = len(self._actions) >= self.horizon and not ended
        self._is_running = not (ended or truncated)
        reward = -self.distance_left(state) if self.use_dense_reward else float(solved)
        observation = self._observe(state)
        observation["reward"] = np.array([[reward]], np.float32)
        observation["truncated"] = np.array([[truncated]])
        self._show()
        return nest(observation), AttrDict(), np.array([not self._is_running])

    def get_teleop_action(self, given: TeleopInput) -> AttrDict:
        """Moves the hand along the world's axes and turns it about them; the grip closes the gripper.

        At up to `default_teleop_speed` and `default_teleop_turn_speed`, in every control mode alike.
        """
        where = f"{self.name}.get_teleop_action"
        check_running(self._scene is not None, where)
        twist, grip, _ = read_teleop(given, where)
        speed = min(self.default_teleop_speed, self.max_speed)
        turn_speed = min(self.default_teleop_turn_speed, self.max_turn_speed)
        action = self._running_scene().lead(twist * np.repeat([speed, turn_speed], 3), CLOSED * grip)
        leaf = self.env_spec.leaf("action")
        return AttrDict(action=np.clip(action, leaf.low, leaf.high).astype(np.float32)[None])

    def is_success(self) -> bool:
        """Whether the task is solved in the present state."""
        return self._scene is not None and self.is_solved(self._state)

    def get_state(self) -> dict[str, Any]:
        """Returns all that the rest of the episode depends on, to come back to it with `set_state`, here or in another env.

        bullet does not give away all that it knows of contacts; so this is how the episode began and what was done since.
        """
        return {
            "start": {name: value.copy() for name, value in self.start.items()},
            "actions": list(self._actions),
            "is_running": self._is_running,
            "rng": self.rng.bit_generator.state,
        }

    def set_state(self, state: Mapping[str, Any]) -> tuple[AttrDict, AttrDict]:
        """Goes to a state that `get_state` returned, by doing again what led there; returns observation and goal, as `reset` does."""
        self.start = {name: np.array(value) for name, value in state["start"].items()}
        self._build()
        scene = self._running_scene()
        for action in state["actions"]:
            scene.step(action, self.after_time_step)
        self._actions = list(state["actions"])
        self.rng = np.random.Generator(np.random.PCG64())
        self.rng.bit_generator.state = state["rng"]
        observation, goal = self._begin()
        self._is_running = state["is_running"]
        return observation, goal

    def render(self) -> np.ndarray | None:
        """Returns the picture `(render_size, render_size, 3)` uint8, or None before the first reset."""
        if self._scene is None:
            return None
        if not self._scene.is_drawn:
            # Shapes to draw take most of the time of a reset, so they are there from the first picture on.
            self._is_drawn = True
            self.set_state(self.get_state())
        return self._running_scene().draw(self.view, self.render_size, self.render_size)

    def close(self) -> None:
        """Ends the physics and closes the window, where there is one."""
        self._is_running = False
        self._scene = None
        if self._bullet is not None:
            self._bullet.close()
            self._bullet = None
        self._window.close()

    # Inside.

    def _server(self) -> Bullet:
        if self._bullet is None:
            self._bullet = Bullet(self.name)
            self._chain = read_chain(self._bullet)
        return self._bullet

    def _draw_joints(self, given: State) -> np.ndarray:
        if "joint_positions" in given:
            return given["joint_positions"]
        arm = np.array(HOME)
        if self.do_random_ee_position or any(name in given for name in HAND):
            self._server()
            # Above anything that lies on the table.
            low, high = (*self.hand_low[:2], 0.15), (*self.hand_high[:2], 0.3)
            for attempt in range(_ATTEMPTS):
                try:
                    arm = reach_start(self._chain, given, self.rng.uniform(low, high), f"{self.name}.reset: presets")
                    break
                except EnvError:
                    # Where the box of the hand is wide, some of what is drawn is out of reach.
                    if "ee_position" in given or attempt == _ATTEMPTS - 1:
                        raise
        return np.append(arm, [FINGER_WIDTH] * 2)

    def _build(self) -> None:
        bullet = self._server()
        values = {name: value.astype(np.float64) for name, value in self.start.items()}
        scene = Scene(bullet, self.physics, self._chain, values["joint_positions"], self._is_drawn)
        self._fixed = {name: self.start[name][None] for name in self._fixed_names}
        self._scene, self._actions = scene, []
        self.build(scene)
        if self.num_blocks:
            poses = zip(
                values["objects/position"], values["objects/orientation_eul"], values["objects/mass"].tolist(), strict=True
            )
            for parts, (position, euler, mass) in zip(self.make_objects(), poses, strict=True):
                scene.add_object(parts, position, euler, mass)
        if self._is_drawn:
            self.draw_goals(scene)
        scene.begin()

    def _begin(self) -> tuple[AttrDict, AttrDict]:
        self._state = self._read()
        self._is_running = True
        observation = self._observe(self._state)
        for name in self.env_spec.param_names:
            observation[name] = self.start[name][None].copy()
        self._show()
        return nest(observation), AttrDict()

    def _read(self) -> State:
        scene = self._running_scene()
        return {**scene.read(), **self.read_extras(scene)}

    def _observe(self, state: State) -> dict[str, np.ndarray]:
        observation = {name: value[None].astype(np.float32) for name, value in state.items()}
        for name, value in self._fixed.items():
            observation[name] = value.copy()
        if "objects/offset" in self.env_spec.observation_names:
            places = observation["objects/position"]
            observation["objects/offset"] = places - observation["gripper_tip_pos"][:, None]
            if "goals/position" in self._fixed:
                observation["goals/offset"] = self._fixed["goals/position"] - places
        scene = self._running_scene()
        if self.imgs:
            observation["image"] = scene.draw(self.view, self.img_height, self.img_width)[None]
        if self.ego_imgs:
            observation["ego_image"] = scene.draw(scene.hand_view(), self.img_height, self.img_width)[None]
        return observation

    def _running_scene(self) -> Scene:
        assert self._scene is not None, "an episode has begun"
        return self._scene

    def _show(self) -> None:
        if self.render_window and (picture := self.render()) is not None:
            self._window.show(picture)
