"""A simulation of robosuite: built, seeded, stepped, saved and restored, and read without robosuite's own observables."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from muse.envs.env import EnvError
from muse.envs.robosuite.tasks import TASKS
from muse.utils.errors import MissingExtraError, nearest
from muse.utils.graphics import choose_graphics
from muse.utils.optional import require

#: The first Python that the extra is not to be had for.
TOO_NEW_PYTHON = (3, 13)
#: Tasks whose resets choose an object, which no state tells: the one with all objects, or with a certain one, does.
_UNSTEADY = {"NutAssemblySingle", "PickPlaceSingle"}
#: What poses relative to the hand are made of.
_HAND = ("eef_pos", "eef_quat")


def import_robosuite(wanted_by: str) -> Any:
    """Imports robosuite without its banner of warnings, and MuJoCo with graphics that work here.

    Raises:
        MissingExtraError: Where it is not installed.
    """
    # A filter, for robosuite sets the logger's level when it is imported.
    logging.getLogger("robosuite_logs").addFilter(_only_errors)
    chosen = choose_graphics()
    try:
        return require("robosuite", "robosuite", wanted_by)
    except MissingExtraError as error:
        if sys.version_info < TOO_NEW_PYTHON:
            raise
        expected = "Python 3.10 to 3.12: robosuite wants packages that have no wheels for later ones"
        raise MissingExtraError(wanted_by, error.got, expected, "an environment of its own with Python 3.12") from error
    finally:
        # robosuite writes its own choice there, which worker processes would inherit.
        os.environ["MUJOCO_GL"] = chosen


def _only_errors(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


class Simulation:
    """One task of robosuite with its robots.

    robosuite updates its observables 25 times in a step, and reads relative poses a step late; here they are off, and the same
    sensors are read once after a step, in the state that it led to, each after those that it depends on.

    Args:
        env_name: The task.
        robots: Names of the robots.
        controller: A composite controller of robosuite, path of a JSON file, or None for the robot's own.
        control_frequency: Actions a second [Hz].
        reward_shaping: Dense rewards.

    Raises:
        EnvError: For a task, robot or controller that robosuite does not have.
        MissingExtraError: Where robosuite is not installed.
    """

    def __init__(
        self,
        env_name: str,
        robots: Iterable[str] = ("Panda",),
        controller: str | None = None,
        control_frequency: float = 20,
        reward_shaping: bool = False,
    ) -> None:
        robosuite = import_robosuite("RobosuiteEnv")
        where = f"RobosuiteEnv({env_name})"
        robots = list(robots)
        _check_known(where, "task", env_name, set(robosuite.ALL_ENVIRONMENTS) - _UNSTEADY)
        if not robots:
            raise EnvError(f"{where}: robots", "none", "one for each arm that the task is for, such as Panda")
        for robot in robots:
            _check_known(f"{where}: robots", "robot", robot, robosuite.ALL_ROBOTS)
        try:
            config = robosuite.load_composite_controller_config(controller=controller, robot=robots[0])
        except (AssertionError, OSError, ValueError) as error:
            expected = "a composite controller of robosuite (BASIC, ...), or a JSON file"
            raise EnvError(f"{where}: controller", f"{controller!r} ({error})", expected) from error
        try:
            self.env = robosuite.make(
                env_name, robots=robots, controller_configs=config, has_renderer=False, has_offscreen_renderer=False,
                use_camera_obs=False, use_object_obs=True, ignore_done=True, hard_reset=False, reward_shaping=reward_shaping,
                control_freq=control_frequency, renderer="mujoco", seed=0,
            )  # fmt: skip
        except Exception as error:
            got = f"robosuite cannot build it with {', '.join(robots)} ({type(error).__name__}: {error})"
            expected = "robots and a controller that are made for the task"
            raise EnvError(where, got, expected, "one Panda, or two for a task whose name begins with TwoArm") from error
        self.env._update_observables = lambda force=False: None
        self.env._get_observations = lambda force_update=False: {}
        self.reward_shaping = reward_shaping
        task = TASKS.get(env_name)
        self._placed_ids = [self.env.sim.model.body_name2id(name) for name in (task.placed_bodies if task else ())]
        self._find_sensors()
        self.objects: dict[str, str] = task.objects if task else self._find_objects()
        self.low, self.high = self.env.action_spec

    @property
    def model(self) -> Any:
        """The `mujoco.MjModel`."""
        return self.env.sim.model._model

    @property
    def data(self) -> Any:
        """The `mujoco.MjData`."""
        return self.env.sim.data._data

    # -- episodes

    def reset(self, rng: np.random.Generator) -> None:
        """Places robots and objects at random. Call `start` before stepping."""
        # robosuite's samplers share one generator, which cannot be replaced; its state can.
        theirs = self.env.rng.bit_generator
        theirs.state = rng.bit_generator.state
        self.env.reset()
        rng.bit_generator.state = theirs.state
        self._find_sensors()

    def start(self, state: np.ndarray | None = None) -> None:
        """Begins an episode in a state, the present one when None.

        Nothing is left of what was before, neither forces nor what solver and controllers remember: the same state and actions
        always make the same episode.
        """
        import mujoco

        state = self.get_state() if state is None else state
        model, data = self.model, self.data
        flat = 1 + model.nq + model.nv
        self._place_bodies(state[flat:])
        mujoco.mj_resetData(model, data)
        data.time, data.qpos[:], data.qvel[:] = state[0], state[1 : 1 + model.nq], state[1 + model.nq : flat]
        mujoco.mj_forward(model, data)
        for gripper in self._grippers():
            gripper.current_action = np.zeros(gripper.dof)
        for controller in self._controllers():
            controller.update_initial_joints(data.qpos[controller.qpos_index])
        for robot in self.env.robots:
            robot.composite_controller.reset()

    def step(self, action: np.ndarray) -> tuple[float, bool]:
        """Applies an action for one control step; returns the reward, and whether the task is solved."""
        import mujoco

        reward = float(self.env.step(action)[1])
        # MuJoCo's last substep leaves poses where they were before it.
        mujoco.mj_kinematics(self.model, self.data)
        solved = self.is_success()
        return (reward if self.reward_shaping else float(solved)), solved

    def is_success(self) -> bool:
        """Whether the task is solved in the present state."""
        return bool(self.env._check_success())

    # -- states

    def get_state(self) -> np.ndarray:
        """Returns time, joint positions, joint velocities (robosuite's flat state) and poses of placed bodies, `(S,)` float64."""
        model, data = self.model, self.data
        placed = [np.concatenate([model.body_pos[i], model.body_quat[i]]) for i in self._placed_ids]
        return np.concatenate([[data.time], data.qpos, data.qvel, *placed])

    def save(self) -> dict[str, Any]:
        """Returns all that the next step depends on, to go on from in the middle of an episode: arrays and lists of them."""
        import mujoco

        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        physics = np.empty(mujoco.mj_stateSize(self.model, kind))
        mujoco.mj_getState(self.model, self.data, physics, kind)
        return {
            "physics": physics,
            "placed": self.get_state()[1 + self.model.nq + self.model.nv :],
            "resting_joints": [np.array(controller.initial_joint) for controller in self._controllers()],
            "grippers": [np.array(gripper.current_action) for gripper in self._grippers()],
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Reverses `save`, in a simulation of the same task and robots.

        Raises:
            EnvError: For a state of another one.
        """
        import mujoco

        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        wanted = {
            "physics": mujoco.mj_stateSize(self.model, kind), "placed": 7 * len(self._placed_ids),
            "resting_joints": len(self._controllers()), "grippers": len(self._grippers()),
        }  # fmt: skip
        for name, size in wanted.items():
            if len(saved.get(name, ())) != size or name not in saved:
                got = f"{len(saved[name])} values" if name in saved else "missing"
                raise EnvError(f"state: '{name}'", got, f"{size}, as get_state of an env of this task and robots gives")
        self._place_bodies(saved["placed"])
        mujoco.mj_setState(self.model, self.data, saved["physics"], kind)
        for controller, joints in zip(self._controllers(), saved["resting_joints"], strict=True):
            controller.update_initial_joints(joints)
        for gripper, action in zip(self._grippers(), saved["grippers"], strict=True):
            gripper.current_action = np.array(action)
        mujoco.mj_forward(self.model, self.data)
        # `mj_forward` has written what the solver begins from next; this is that of the saved moment.
        mujoco.mj_setState(self.model, self.data, saved["physics"], kind)

    def _controllers(self) -> list[Any]:
        return [controller for robot in self.env.robots for controller in robot.part_controllers.values()]

    def _grippers(self) -> list[Any]:
        return [gripper for robot in self.env.robots for gripper in robot.gripper.values()]

    def _place_bodies(self, poses: np.ndarray) -> None:
        for i, pose in zip(self._placed_ids, poses.reshape(-1, 7), strict=True):
            self.model.body_pos[i], self.model.body_quat[i] = pose[:3], pose[3:]

    def place_object(self, joint: str, position: np.ndarray | None, orientation: np.ndarray | None) -> None:
        """Moves an object, at rest.

        Args:
            joint: Its free joint, a value of `objects`.
            position: `(3,)` [m], world frame; None: as it is.
            orientation: `(4,)` (x, y, z, w), world frame; None: as it is.
        """
        data = self.env.sim.data
        pose = np.array(data.get_joint_qpos(joint))
        if position is not None:
            pose[:3] = position
        if orientation is not None:
            pose[3:] = np.asarray(orientation)[[3, 0, 1, 2]] / np.linalg.norm(orientation)
        data.set_joint_qpos(joint, pose)
        data.set_joint_qvel(joint, np.zeros(6))

    # -- observations

    def observe(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Returns the robot's sensors called `names`, every sensor of an object, and `object`, all of those side by side."""
        cache: dict[str, Any] = {}
        for name, sensor in self._object_sensors.items():
            cache[name] = sensor(cache)
        values = {}
        for name in names:
            if name in self._robot_sensors:
                source = name.removesuffix("_cos").removesuffix("_sin")
                cache[source] = self._robot_sensors[source](cache)
                values[name] = self._robot_sensors[name](cache)
        values.update({name: cache[name] for name in self._object_names})
        values["object"] = np.concatenate([np.ravel(cache[name]) for name in self._object_names])
        return values

    @property
    def robot_sensor_names(self) -> list[str]:
        """Names of the robots' sensors."""
        return list(self._robot_sensors)

    def hand_velocity(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns linear `(3,)` [m/s] and angular `(3,)` [rad/s] velocity of the first robot's hand, world frame."""
        import mujoco

        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_comVel(self.model, self.data)
        robot, data = self.env.robots[0], self.env.sim.data
        body = robot.robot_model.eef_name[robot.arms[0]]
        return data.get_body_xvelp(body), data.get_body_xvelr(body)

    def _find_sensors(self) -> None:
        observables = {name: o for name, o in self.env._observables.items() if o.is_enabled()}
        self._robot_sensors = {name: o._sensor for name, o in observables.items() if o.modality != "object"}
        of_objects = {name: o._sensor for name, o in observables.items() if o.modality == "object" or name.endswith(_HAND)}
        # What a relative pose is made of comes before it.
        self._object_sensors = {name: of_objects[name] for name in sorted(of_objects, key=lambda name: "_to_" in name)}
        self._object_names = order_object_names(
            [name for name, o in observables.items() if o.modality == "object" and o.is_active()]
        )

    def _find_objects(self) -> dict[str, str]:
        joints, names = set(self.env.sim.model.joint_names), self._object_names
        things = [name[: -len("_pos")] for name in names if name.endswith("_pos")]
        return {thing: f"{thing}_joint0" for thing in things if f"{thing}_joint0" in joints and f"{thing}_quat" in names}


def order_object_names(names: list[str]) -> list[str]:
    """Returns the parts of `object` in the order of robosuite 1.2 to 1.4, which recorded data has.

    Each object's position, orientation and pose relative to the hand; then the rest, distances to the gripper first.
    """
    ordered: list[str] = []
    for name in names:
        thing = name[: -len("_pos")]
        if name.endswith("_pos") and "_to_" not in name and f"{thing}_quat" in names:
            ordered += [name, f"{thing}_quat", *(n for n in names if n.startswith(f"{thing}_to_") and "eef_" in n)]
    rest = [name for name in names if name not in ordered]
    return ordered + sorted(rest, key=lambda name: not name.startswith("gripper"))


def _check_known(where: str, what: str, name: str, known: Iterable[str]) -> None:
    known = sorted(known)
    if name not in known:
        raise EnvError(where, f"no {what} '{name}'{nearest(name, known)}", "one of " + ", ".join(known))
