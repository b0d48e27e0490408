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
from muse.envs.bullet_envs.presets import HAND, check_arm, reach_start
from muse.envs.bullet_envs.robot_spec import make_group
from muse.envs.bullet_envs.scene import Scene
from muse.envs.bullet_envs.table import add_table
from muse.envs.checks import check_running, read_teleop
from muse.envs.env import Env, EnvError, default_env_params
from muse.envs.scene_env import SceneEnv
from muse.envs.teleop import TeleopInput
from muse.envs.window import Window
from muse.specs import EnvSpec

#: What is observed at one time: name -> float64, without batch dimension.
State = dict[str, np.ndarray]
#: Starts that are drawn before one without overlaps must have come.
_ATTEMPTS = 20


class RobotBulletEnv(SceneEnv[Scene, State], ABC):
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

    With `use_dense_reward` the reward is minus what is left to be done: a way [m], or a turn [rad].

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
        check_options(self, self.name)
        options = default_env_params(type(self), self.params)
        self.limits = read_limits(options, self.hand_low, self.hand_high)
        self.physics = read_physics(options, self.limits)
        self._bullet: Bullet | None = None
        self._is_drawn = self.imgs or self.ego_imgs or self.render_window
        self._window = Window(f"Muse: {self.name}", fps=round(1 / self.physics.dt))

    # What a world says.

    @abstractmethod
    def draw_start(self, given: State) -> State:
        """Returns a value for every start name but `joint_positions`: the given one, else one drawn from `self.rng`.

        Raises:
            EnvError: When there is no room.
        """

    @abstractmethod
    def make_objects(self) -> list[list[Part]]:
        """Returns the parts of each object, around its centre of mass, from `self.start`."""

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
    def get_extra_presets(cls) -> Sequence[str]:
        """Returns the pose of the hand."""
        return HAND

    def place(self, given: Mapping[str, np.ndarray]) -> None:
        """Draws until nothing overlaps."""
        check_arm(given, f"{self.name}.reset")
        overlap = ""
        for _ in range(_ATTEMPTS):
            self.start_from({"joint_positions": self._draw_joints(given), **self.draw_start(given)})
            depth, what = self._running_scene().find_overlap()
            if not what:
                return
            overlap = f"{what} overlap by {1000 * depth:.3g} mm"
        self._scene = None
        raise EnvError(f"{self.name}.reset{': presets' if given else ''}", overlap, "a start with room between things")

    def make_scene(self, values: Mapping[str, np.ndarray]) -> Scene:
        """Builds arm, table and objects; goals where pictures are taken."""
        scene = Scene(self._server(), self.physics, self._chain, values["joint_positions"], self._is_drawn)
        self.build(scene)
        if self.num_blocks:
            names = ("objects/position", "objects/orientation_eul", "objects/mass")
            poses = zip(*(values[name].tolist() for name in names), strict=True)
            for parts, (position, euler, mass) in zip(self.make_objects(), poses, strict=True):
                scene.add_object(parts, position, euler, mass)
        if self._is_drawn:
            self.draw_goals(scene)
        scene.begin()
        return scene

    def read_move(self, action: np.ndarray) -> np.ndarray:
        """Returns the action in float64."""
        return action.astype(np.float64)

    def move(self, scene: Scene, move: np.ndarray) -> None:
        """Moves the arm for a step."""
        scene.step(move)

    def read_state(self, scene: Scene) -> State:
        """Returns what is seen of arm, objects and the rest."""
        return {**scene.read(), **self.read_extras(scene)}

    def observe(self, state: State) -> dict[str, np.ndarray]:
        """Returns the state in float32, with offsets and pictures where they are wanted."""
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
        super().close()
        self._scene = None
        if self._bullet is not None:
            self._bullet.close()
            self._bullet = None

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
