"""Tasks of robosuite as Muse envs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.checks import check_running, read_action, read_presets, read_teleop
from muse.envs.env import Env, EnvError
from muse.envs.robosuite.camera import Camera
from muse.envs.robosuite.simulation import Simulation
from muse.envs.robosuite.sizes import EXTRA_OBSERVATIONS, Sizes, sizes_of
from muse.envs.robosuite.tasks import preset_sweep
from muse.envs.teleop import TeleopInput
from muse.envs.window import Window
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.attrdicts import nest
from muse.utils.errors import nearest
from muse.utils.seeding import make_generator

_POSE_ACTION = (
    "change of the hand's pose from where it is, in the robot's base frame, whose axes are the world's: at 1, 0.05 m along and "
    "0.5 rad about x, y, z (operational space control, robosuite's OSC_POSE); last the gripper, below 0 opens, above 0 closes"
)
#: How fast the hand goes, and turns, while that action stays 1, as measured at 20 Hz [m/s], [rad/s]; at 10 Hz a tenth less.
_SPEED, _TURN_SPEED = 0.25, 2.0
_INFINITE = (-np.inf, np.inf)


class RobosuiteEnv(Env):
    """A task of robosuite, by its name; for a Panda with robosuite's default controller unless told otherwise.

    Any task but `NutAssemblySingle` and `PickPlaceSingle`, whose states do not tell which object a reset chose.

    Observations: the hand (`robot0_eef_pos`, `robot0_eef_quat`, `robot0_gripper_qpos`) and `object`, the poses of the task's
    objects in the world and relative to the hand, in the order of robomimic's data. On request the objects one by one
    (`objects/position` `(n, 3)`, `objects/orientation` `(n, 4)`), more of the robot (`extra_observations`), and pictures
    (`image`, `ego_image`). The param `initial_state` `(S,)` is the state in which an episode began: with it as a preset, and the
    same actions, the episode is played again to the bit.

    The reward is 1 in a state that solves the task and 0 in any other, unless `reward_shaping` is on. With `done_on_success`
    the episode ends in the first such state; without, and where there is none, it is truncated after `num_steps`.

    Presets: `initial_state` `(S,)`; or `objects/position` `(n, 3)` [m] and `objects/orientation` `(n, 4)` (x, y, z, w), world
    frame, of the objects at rest, the rest being drawn. Random resets are those of the task itself. With noise on the actions, a
    seed is needed besides to play an episode again.
    """

    predefined_arguments = [
        Argument("env_name", type=str, default="NutAssemblySquare", help="task of robosuite (Lift, Stack, PickPlaceCan, ...)"),
        Argument("robots", type=list, default=["Panda"], element_type=str, help="robots of robosuite; two for most tasks of two arms"),
        Argument("controller", type=str, help="composite controller of robosuite, or path of a JSON file; none: the robot's own"),
        Argument("control_frequency", type=int, default=20, help="actions a second", unit="Hz"),
        Argument("num_steps", type=int, default=400, help="length after which an episode is truncated", unit="steps"),
        Argument("done_on_success", type=bool, default=True, help="end an episode when the task is solved"),
        Argument("reward_shaping", type=bool, default=False, help="robosuite's dense reward instead of 1 for success"),
        Argument("pos_noise_std", type=float, default=0.0, help="noise on the first three actions as they are carried out"),
        Argument("ori_noise_std", type=float, default=0.0, help="noise on the three actions after them"),
        Argument("default_teleop_speed", type=float, default=0.15, help="speed at which a person moves the hand, up to 0.25", unit="m/s"),
        Argument("default_teleop_turn_speed", type=float, default=1.0, help="and turns it, up to 2", unit="rad/s"),
        Argument("extra_observations", type=list, default=[], element_type=str, help="more of the robot: " + ", ".join(EXTRA_OBSERVATIONS)),
        Argument("parse_objects", type=bool, default=False, help="observe objects/position and objects/orientation too"),
        Argument("imgs", type=bool, default=False, help="observe 'image', from offscreen_camera_name"),
        Argument("ego_imgs", type=bool, default=False, help="observe 'ego_image', from offscreen_ego_camera_name"),
        Argument("img_width", type=int, default=84, help="width of the observed pictures", unit="px"),
        Argument("img_height", type=int, default=84, help="height of the observed pictures", unit="px"),
        Argument("offscreen_camera_name", type=str, default="agentview", help="camera of 'image' and of render()"),
        Argument("offscreen_ego_camera_name", type=str, default="robot0_eye_in_hand", help="camera of 'ego_image'"),
        Argument("reflections", type=bool, default=True, help="draw what the floor mirrors, as robosuite does; without, pictures take half as long"),
        Argument("render", type=bool, default=False, help="show a window (render() works without)"),
        Argument("onscreen_camera_name", type=str, default="agentview", help="camera of the window"),
        Argument("render_size", type=int, default=256, help="width and height of what render() and the window show", unit="px"),
        Argument("enable_preset_sweep", type=bool, default=False, help="evaluate on a grid of starts (NutAssemblySquare)"),
        Argument("preset_sweep_pos", type=int, default=5, help="positions in the grid"),
        Argument("preset_sweep_ori", type=int, default=10, help="orientations in the grid"),
    ]  # fmt: skip

    fingerprint_packages = ("robosuite", "mujoco")
    cosmetic_params = (
        *Env.cosmetic_params, "onscreen_camera_name", "render_size", "num_steps", "done_on_success", "extra_observations",
        "parse_objects", "imgs", "ego_imgs", "enable_preset_sweep", "preset_sweep_pos", "preset_sweep_ori", "default_teleop_speed",
        "default_teleop_turn_speed",
    )  # fmt: skip
    teleop_inputs = ("x", "y", "z", "roll", "pitch", "yaw", "grip")

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        self._where = f"RobosuiteEnv({self.env_name})"
        self._check_options()
        self._simulation = Simulation(
            self.env_name, self.robots, self.controller, self.control_frequency, self.reward_shaping
        )  # fmt: skip
        if not _moves_a_hand(self.controller, len(self._simulation.low)):
            self.teleop_inputs = ()  # type: ignore[misc]
        self._camera = Camera(self._simulation, self.reflections)
        self._rng = np.random.Generator(np.random.PCG64())
        self._initial_state = np.zeros(0)
        self._steps = 0
        self._is_running = False
        self._window = Window(f"Muse: {self.env_name}", fps=self.control_frequency)

    @classmethod
    def get_default_env_spec_params(cls, params: Mapping[str, Any]) -> AttrDict:
        """Returns the spec's group. A task, robot or controller that is not in Muse's table is built once, to see its sizes.

        Raises:
            EnvError: For an unknown name, or objects one by one where the task has none.
        """
        sizes, where = sizes_of(params), f"RobosuiteEnv({params['env_name']})"
        leaves: list[tuple] = [
            (name, (size,), _INFINITE, np.float32, unit, meaning)
            for name, (size, unit, meaning) in {**sizes.proprioception, **_extras(params, sizes, where)}.items()
        ]
        leaves.append(
            ("object", (sizes.object,), _INFINITE, np.float32, "", "poses of the objects, world frame and relative to the hand")
        )
        if params["parse_objects"]:
            if not sizes.num_objects:
                raise EnvError(f"{where}: parse_objects", "the task has no free objects", "parse_objects=False")
            n = sizes.num_objects
            leaves.append(("objects/position", (n, 3), _INFINITE, np.float32, "m", "world frame"))
            leaves.append(("objects/orientation", (n, 4), _INFINITE, np.float32, "", "(x, y, z, w), world frame"))
        pictures = [name for name, wanted in (("image", "imgs"), ("ego_image", "ego_imgs")) if params[wanted]]
        leaves += [(name, (params["img_height"], params["img_width"], 3), (0, 255), np.uint8) for name in pictures]
        observations = [leaf[0] for leaf in leaves]
        low, high = sizes.action_limits
        meaning = _POSE_ACTION if _moves_a_hand(params["controller"], len(low)) else "as robosuite's controller takes it"
        return AttrDict(
            cls=EnvSpec,
            names_shapes_limits_dtypes=[
                *leaves,
                ("initial_state", (sizes.state,), _INFINITE, np.float64, "", "time, joint positions and velocities of MuJoCo"),
                ("action", (len(low),), (low, high), np.float32, "", meaning),
                ("reward", (1,), _INFINITE if params["reward_shaping"] else (0, 1), np.float32),
                ("truncated", (1,), (0, 1), bool),
            ],
            observation_names=observations,
            output_observation_names=["reward", "truncated"],
            action_names=["action"],
            param_names=["initial_state"],
        )

    @classmethod
    def get_presets(cls, params: Mapping[str, Any]) -> list[AttrDict] | None:
        """Returns the starts of the sweep, where it is on.

        Raises:
            EnvError: For a task without one.
        """
        if not params["enable_preset_sweep"]:
            return None
        starts = preset_sweep(params["env_name"], max(1, params["preset_sweep_pos"]), max(1, params["preset_sweep_ori"]))
        if not starts:
            where = f"RobosuiteEnv({params['env_name']}): enable_preset_sweep"
            raise EnvError(where, "no grid of starts for this task", "NutAssemblySquare, or enable_preset_sweep=False")
        return [nest(start) for start in starts]

    @classmethod
    def get_cosmetic_params(cls, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Returns the cosmetic options, with those about the look of pictures that are not observed."""
        look = {"offscreen_camera_name": params.get("imgs"), "offscreen_ego_camera_name": params.get("ego_imgs")}
        seen = any(look.values())
        look |= dict.fromkeys(("img_width", "img_height", "reflections"), seen)
        return (*cls.cosmetic_params, *(name for name, is_observed in look.items() if not is_observed))

    @classmethod
    def get_start(cls, params: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns the recorded state: `initial_state`, or of robomimic's data the first of `states`."""
        state = first.get("initial_state", first.get("states"))
        return None if state is None else {"initial_state": state}

    def reset(self, presets: Mapping[str, Any] | None = None, seed: int | None = None) -> tuple[AttrDict, AttrDict]:
        """Starts an episode; see `Env.reset`.

        Raises:
            EnvError: For an unknown preset, or one of the wrong shape.
        """
        simulation = self._simulation
        n, state = len(simulation.objects), simulation.get_state()
        shapes = {"initial_state": state.shape, **({"objects/position": (n, 3), "objects/orientation": (n, 4)} if n else {})}
        given = read_presets(presets, shapes, f"{self._where}.reset")
        values = {name: self._read_preset(name, value, shapes[name]) for name, value in given.items()}
        if "initial_state" in values and len(values) > 1:
            other = next(name for name in values if name != "initial_state")
            raise EnvError(f"{self._where}.reset: presets", f"'initial_state' and '{other}'", "one of the two")
        if seed is not None:
            self._rng = make_generator(seed, "env")
        simulation.reset(self._rng)
        for i, joint in enumerate(simulation.objects.values()):
            pose = [values[name][i] if name in values else None for name in ("objects/position", "objects/orientation")]
            if any(part is not None for part in pose):
                simulation.place_object(joint, *pose)
        simulation.start(values.get("initial_state"))
        self._initial_state = simulation.get_state()
        self._steps, self._is_running = 0, True
        return self._begin()

    def step(self, action: Mapping[str, Any]) -> tuple[AttrDict, AttrDict, np.ndarray]:
        """Applies an action, clipped to its limits, for one control step; see `Env.step`."""
        check_running(self._is_running, f"{self._where}.step")
        value = read_action(self.env_spec, action, f"{self._where}.step")["action"].astype(np.float64)
        if self.pos_noise_std or self.ori_noise_std:
            noise = self._rng.standard_normal(6) * np.repeat([self.pos_noise_std, self.ori_noise_std], 3)
            value[:6] += noise[: len(value)]
        reward, solved = self._simulation.step(np.clip(value, self._simulation.low, self._simulation.high))
        self._steps += 1
        ended = self.done_on_success and solved
        truncated = self._steps >= self.num_steps and not ended
        self._is_running = not (ended or truncated)
        self._show()
        outputs = {"reward": np.array([[reward]], np.float32), "truncated": np.array([[truncated]])}
        return nest({**self._observe(), **outputs}), AttrDict(), np.array([not self._is_running])

    def get_teleop_action(self, given: TeleopInput) -> AttrDict:
        """Moves the hand along the world's axes and turns it about them; the grip closes the gripper.

        At up to about `default_teleop_speed` and `default_teleop_turn_speed`, and no faster than the controller. Only one hand can be
        driven, and only with robosuite's default controller: `teleop_inputs` is empty with any other.
        """
        where = f"{self._where}.get_teleop_action"
        if not self.teleop_inputs:
            raise EnvError(where, "no teleop_inputs", "one hand, with robosuite's default controller")
        check_running(self._initial_state.size > 0, where)
        twist, grip, _ = read_teleop(given, where)
        parts = np.repeat([self.default_teleop_speed / _SPEED, self.default_teleop_turn_speed / _TURN_SPEED], 3)
        return AttrDict(action=np.append(np.clip(twist * parts, -1.0, 1.0), 2 * grip - 1).astype(np.float32)[None])

    def is_success(self) -> bool:
        """Whether the task is solved in the present state."""
        return self._simulation.is_success()

    def get_state(self) -> dict[str, Any]:
        """Returns all that the rest of the episode depends on, to come back to it with `set_state`, here or in another env."""
        saved: dict[str, Any] = self._simulation.save()
        own = {"steps": self._steps, "is_running": self._is_running, "initial_state": self._initial_state.copy()}
        return {**saved, **own, "rng": self._rng.bit_generator.state}

    def set_state(self, state: Mapping[str, Any]) -> tuple[AttrDict, AttrDict]:
        """Goes to a state that `get_state` returned and returns observation and goal there, as `reset` does."""
        self._simulation.restore(state)
        self._steps, self._is_running = state["steps"], state["is_running"]
        self._initial_state = np.array(state["initial_state"])
        self._rng = np.random.Generator(np.random.PCG64())
        self._rng.bit_generator.state = state["rng"]
        return self._begin()

    def render(self) -> np.ndarray:
        """Returns what the off-screen camera sees, `(Y, X, 3)` uint8."""
        return self._camera.draw(self.offscreen_camera_name, self.render_size, self.render_size)

    def close(self) -> None:
        """Closes window and graphics."""
        self._is_running = False
        self._camera.close()
        self._window.close()

    def _begin(self) -> tuple[AttrDict, AttrDict]:
        """Shows the present state and returns what a reset tells of it."""
        self._show()
        return nest({**self._observe(), "initial_state": self._initial_state[None].copy()}), AttrDict()

    def _observe(self) -> dict[str, np.ndarray]:
        simulation, names = self._simulation, self.env_spec.observation_names
        values = simulation.observe(names)
        if "objects/position" in names:
            values["objects/position"] = np.stack([values[f"{name}_pos"] for name in simulation.objects])
            values["objects/orientation"] = np.stack([values[f"{name}_quat"] for name in simulation.objects])
        if "robot0_eef_eul" in names:
            from scipy.spatial.transform import Rotation  # comes with robosuite

            values["robot0_eef_eul"] = Rotation.from_quat(values["robot0_eef_quat"]).as_euler("xyz")
        if "robot0_eef_vel_lin" in names or "robot0_eef_vel_ang" in names:
            values["robot0_eef_vel_lin"], values["robot0_eef_vel_ang"] = simulation.hand_velocity()
        for name, camera in (("image", self.offscreen_camera_name), ("ego_image", self.offscreen_ego_camera_name)):
            if name in names:
                values[name] = self._camera.draw(camera, self.img_height, self.img_width)
        return {name: np.asarray(values[name], self.env_spec.leaf(name).dtype)[None] for name in names}

    def _read_preset(self, name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
        where = f"{self._where}.reset: preset '{name}'"
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError) as error:
            raise EnvError(where, f"a {type(value).__name__}", f"finite numbers of shape {shape}") from error
        if array.shape != shape or not np.isfinite(array).all():
            got = f"shape {array.shape}" if array.shape != shape else "NaN or infinity"
            raise EnvError(where, got, f"finite numbers of shape {shape}")
        if name == "objects/orientation" and not np.linalg.norm(array, axis=-1).all():
            raise EnvError(where, "a quaternion of zeros", "(x, y, z, w), of any length but 0")
        return array

    def _check_options(self) -> None:
        for name in (
            "control_frequency", "num_steps", "img_width", "img_height", "render_size", "preset_sweep_pos", "preset_sweep_ori",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise EnvError(f"{self._where}: {name}", str(getattr(self, name)), "at least 1")
        for name in ("default_teleop_speed", "default_teleop_turn_speed"):
            if not getattr(self, name) > 0:
                raise EnvError(f"{self._where}: {name}", str(getattr(self, name)), "more than 0")
        for name in ("pos_noise_std", "ori_noise_std"):
            if not getattr(self, name) >= 0:
                raise EnvError(f"{self._where}: {name}", str(getattr(self, name)), "at least 0")

    def _show(self) -> None:
        if self.render_window:
            self._window.show(self._camera.draw(self.onscreen_camera_name, self.render_size, self.render_size))


def _moves_a_hand(controller: str | None, size: int) -> bool:
    """Whether an action of `size` numbers moves one hand by OSC_POSE, robosuite's own choice."""
    return controller is None and size == 7


def _extras(params: Mapping[str, Any], sizes: Sizes, where: str) -> dict[str, tuple[int, str, str]]:
    for name in params["extra_observations"]:
        if name not in sizes.robot:
            known = list(sizes.robot)
            got = f"no observation '{name}'{nearest(name, known)}"
            raise EnvError(f"{where}: extra_observations", got, "of " + ", ".join(known))
    return {
        name: (sizes.robot[name], *EXTRA_OBSERVATIONS.get(name, (0, "", ""))[1:])
        for name in params["extra_observations"]
        if name not in sizes.proprioception
    }
