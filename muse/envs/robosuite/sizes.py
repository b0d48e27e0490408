"""How many numbers a task of robosuite shows and takes: known for the usual ones, looked up by building the others once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from muse.envs.env import EnvError
from muse.envs.robosuite.simulation import Simulation
from muse.envs.robosuite.tasks import TASKS

#: What is observed of every robot, by the end of its name: size, unit, meaning.
PROPRIOCEPTION = {
    "eef_pos": (3, "m", "position of the hand, world frame"),
    "eef_quat": (4, "", "orientation of the hand (x, y, z, w), world frame"),
    "gripper_qpos": (2, "m", "position of each finger"),
}
#: What can be asked for: size for a Panda, unit, meaning.
EXTRA_OBSERVATIONS = {
    "robot0_eef_eul": (3, "rad", "orientation of the hand as turns about the world's fixed axes x, y, z"),
    "robot0_eef_vel_lin": (3, "m/s", "velocity of the hand, world frame"),
    "robot0_eef_vel_ang": (3, "rad/s", "angular velocity of the hand, world frame"),
    "robot0_gripper_qvel": (2, "m/s", "velocity of each finger"),
    "robot0_joint_pos": (7, "rad", "joints of the arm"),
    "robot0_joint_pos_cos": (7, "", "cosines of the joints"),
    "robot0_joint_pos_sin": (7, "", "sines of the joints"),
    "robot0_joint_vel": (7, "rad/s", "velocities of the joints"),
}


@dataclass(frozen=True)
class Sizes:
    """Numbers in each part.

    Attributes:
        object: In `object`.
        num_objects: Objects with a pose of their own.
        state: In a state.
        action_limits: Of an action, for each of its numbers.
        robot: In each sensor of the robots, by name.
    """

    object: int
    num_objects: int
    state: int
    action_limits: tuple[tuple[float, ...], tuple[float, ...]]
    robot: Mapping[str, int]

    @property
    def proprioception(self) -> dict[str, tuple[int, str, str]]:
        """What is observed of the robots: size, unit and meaning by name."""
        return {
            name: (size, *PROPRIOCEPTION[end][1:])
            for name, size in self.robot.items()
            for end in PROPRIOCEPTION
            if name.endswith(end)
        }


def sizes_of(params: Mapping[str, Any]) -> Sizes:
    """Returns the sizes under the options of a `RobosuiteEnv`.

    Raises:
        EnvError, MissingExtraError: As `Simulation`, for what is not in the table.
    """
    if isinstance(params["robots"], str):
        raise EnvError("RobosuiteEnv: robots", repr(params["robots"]), f"a list, [{params['robots']!r}]")
    robots = list(params["robots"])
    task = TASKS.get(params["env_name"])
    if task is None or robots != ["Panda"] or params["controller"] is not None:
        return _look_up(params["env_name"], tuple(robots), params["controller"])
    robot = {f"robot0_{end}": size for end, (size, *_) in PROPRIOCEPTION.items()}
    robot.update({name: size for name, (size, *_) in EXTRA_OBSERVATIONS.items()})
    return Sizes(task.object_size, len(task.objects), task.state_size, ((-1.0,) * 7, (1.0,) * 7), robot)


@lru_cache
def _look_up(env_name: str, robots: tuple[str, ...], controller: str | None) -> Sizes:
    simulation = Simulation(env_name, robots, controller)
    simulation.start()
    values = simulation.observe(simulation.robot_sensor_names)
    robot = {name: int(np.size(values[name])) for name in simulation.robot_sensor_names}
    if "robot0_eef_quat" in robot:
        robot.update(dict.fromkeys(("robot0_eef_eul", "robot0_eef_vel_lin", "robot0_eef_vel_ang"), 3))
    limits = tuple(simulation.low.tolist()), tuple(simulation.high.tolist())
    return Sizes(values["object"].size, len(simulation.objects), simulation.get_state().size, limits, robot)
