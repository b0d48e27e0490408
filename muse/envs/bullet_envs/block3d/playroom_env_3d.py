"""A desk with a drawer, a cabinet and buttons, and blocks to play with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from attrdict import AttrDict

from muse.envs.bullet_envs.block3d.block_env_3d import COLOURS, make_block
from muse.envs.bullet_envs.block3d.desk import DOOR_OPEN, DRAWER_IN, Desk, desk_leaves, inside_drawer
from muse.envs.bullet_envs.block3d.playroom_tasks import BUTTON_TASKS, TASKS, PlayroomTask
from muse.envs.bullet_envs.bodies import Part
from muse.envs.bullet_envs.camera import View
from muse.envs.bullet_envs.robot_bullet_env import RobotBulletEnv, State
from muse.envs.bullet_envs.scene import Scene
from muse.envs.bullet_envs.table import add_table
from muse.envs.env import EnvError
from muse.envs.placing import draw_places
from muse.specs import EnvSpec
from muse.utils.abstract import Argument

#: Where blocks start on the table: its middle, and half its sides [m]. A hand that takes them touches neither open drawer nor door.
_MIDDLE, _HALF = np.array([0.37, -0.11]), np.array([0.05, 0.08])
#: Middle of the table, and half its sides [m].
_TABLE = (np.array([0.54, 0.0]), np.array([0.36, 0.48]))
#: Free way between blocks at a start, and from those in the drawer to its walls [m].
_GAP = 0.01
_JOINTS = {"drawer": DRAWER_IN, "cabinet": DOOR_OPEN}


class DrawerPlayroomEnv3D(RobotBulletEnv):
    """A desk with a drawer and a cabinet, and blocks on the table before it, with which something is to be done.

    `task`: `open_drawer`, `close_drawer`, `open_cabinet`, `close_cabinet`; `block_in_drawer`, in which the drawer is open, the
    blocks are to be put into it, and to be let go. Drawer and door stay where they are left; what is in the drawer goes with it,
    held by friction alone.

    Drawer and cabinet start as the task needs, otherwise closed; with `random_init_drawer` and `random_init_cabinet` they start
    anywhere that leaves something to do, and with `random_init_snap_drawer` and `random_init_snap_cabinet` open or closed. Where blocks are to
    be moved the door is never in the way: the cabinet is open or closed.

    Observations besides those of `RobotBulletEnv`: `drawer/...` and `cabinet/...`, each `joint_position`,
    `joint_position_normalized` (1 is open), `joint_velocity`, `closed`, `aabb`, `contact` and `handle_position`;
    `cabinet/handle_orientation_eul`; and the goal of the task. Further presets: `drawer/joint_position` from 0, out, to 0.194, in
    [m]; `cabinet/joint_position` from 0, closed, to 1.47 [rad].
    """

    #: Tasks by name.
    tasks: ClassVar[Mapping[str, Callable[[], PlayroomTask]]] = TASKS
    has_buttons: ClassVar[bool] = False

    predefined_arguments = [
        *RobotBulletEnv.predefined_arguments,
        Argument("task", type=str, default="open_drawer", choices=tuple(TASKS), help="what is to be done"),
        Argument("random_init_drawer", type=bool, default=True, help="draw how far the drawer is open"),
        Argument("random_init_cabinet", type=bool, default=True, help="draw how far the cabinet is open"),
        Argument("random_init_snap_drawer", type=bool, default=False, help="open or closed, not between, where the task allows it"),
        Argument("random_init_snap_cabinet", type=bool, default=False, help="likewise for the cabinet"),
        Argument("object_start_in_drawer", type=bool, default=False, help="blocks start in the drawer"),
    ]  # fmt: skip
    # Blocks that fingers can take whichever way they are turned.
    default_params = AttrDict(object_start_bounds=1.0, object_size_lower=[0.035] * 3, object_size_upper=[0.05] * 3)

    hand_low = (0.26, -0.46, 0.01)
    hand_high = (0.76, 0.38, 0.45)
    view = View((-0.25, -0.8, 1.0), (0.52, 0.04, 0.11), angle=41.0)

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        self._task = self.tasks[self.task]()
        self._goal: str = self._task.goal[0]
        if self._task.moves_objects and (self.num_blocks == 0 or self.object_start_in_drawer):
            got = "num_blocks=0" if self.num_blocks == 0 else "object_start_in_drawer=True"
            raise EnvError(f"{self.name}: task '{self.task}'", got, "blocks on the table")

    @classmethod
    def get_task_leaves(cls, params: Mapping[str, Any]) -> tuple[list[tuple], list[tuple]]:
        """See `RobotBulletEnv.get_task_leaves`."""
        return [cls.tasks[params["task"]]().goal], []

    @classmethod
    def get_extra_leaves(cls, params: Mapping[str, Any]) -> list[tuple]:
        """Returns the leaves of the desk."""
        return desk_leaves(cls.has_buttons)

    @classmethod
    def get_start_names(cls, params: Mapping[str, Any]) -> list[str]:
        """Returns the base's, with the joints of drawer and cabinet."""
        return [*super().get_start_names(params), *(f"{part}/joint_position" for part in _JOINTS)]

    def draw_start(self, given: State) -> State:
        """Draws drawer and cabinet, blocks, and the goal."""
        start = {
            "drawer/joint_position": self._draw_joint("drawer", given),
            "cabinet/joint_position": self._draw_joint("cabinet", given),
        }
        if self.num_blocks:
            start.update(self._draw_blocks(given, float(start["drawer/joint_position"][0])))
        start[self._goal] = given[self._goal] if self._goal in given else self._task.draw_goal(self.rng, start)
        return start

    def make_objects(self) -> list[list[Part]]:
        """Returns boxes with stripes."""
        return [make_block(size, COLOURS[i % len(COLOURS)]) for i, size in enumerate(self.start["objects/size"].tolist())]

    def build(self, scene: Scene) -> None:
        """Adds table and desk."""
        add_table(scene, self.table_friction_coef, *_TABLE)
        joints = (float(self.start[f"{part}/joint_position"][0]) for part in _JOINTS)
        self._desk = Desk(scene, *joints, self.has_buttons)

    def draw_goals(self, scene: Scene) -> None:
        """Shows the goal."""
        self._task.draw(scene, self.start, self.start[self._goal])

    def read_extras(self, scene: Scene) -> State:
        """Returns the observations of the desk."""
        return self._desk.read()

    def is_solved(self, state: State) -> bool:
        """Whether the task is done."""
        return self._task.is_done(state, self.start[self._goal])

    def distance_left(self, state: State) -> float:
        """Returns what is left to do [m]."""
        return self._task.left(state, self.start[self._goal])

    def _draw_joint(self, part: str, given: State) -> np.ndarray:
        name, end = f"{part}/joint_position", _JOINTS[part]
        if name in given:
            joint = given[name]
            if not np.array_equal(joint, np.clip(joint, 0, np.float32(end))):
                raise EnvError(f"{self.name}.reset: '{name}'", f"{float(joint[0]):g}", f"from 0 to {end:g}")
            return joint
        low, high = getattr(self._task, part)
        # Drawn in any case: what follows does not depend on the options of one part.
        where, side = self.rng.random(2)
        # Closed, open; the same one twice where the other would leave nothing to do.
        ends = (float(low > 0), float(high == 1))
        if not getattr(self, f"random_init_{part}"):
            opening = ends[0]
        elif getattr(self, f"random_init_snap_{part}") or (part == "cabinet" and self._task.moves_objects):
            opening = ends[int(side < 0.5)]
        else:
            opening = low + where * (high - low)
        return np.array([end * (1 - opening if part == "drawer" else opening)])

    def _draw_blocks(self, given: State, drawer: float) -> State:
        n, rng = self.num_blocks, self.rng
        sizes = self.draw_sizes(given)
        turns = np.zeros((n, 3))
        turns[:, 2] = rng.uniform(-self.object_rotation_bounds, self.object_rotation_bounds, n)
        radii = np.hypot(sizes[:, 0], sizes[:, 1]) / 2
        bottom = 0.0
        if self.object_start_in_drawer:
            room = float(radii.max()) + _GAP
            (low_x, low_y, bottom), (high_x, high_y, _) = inside_drawer(drawer)
            low, high = (low_x + room, low_y + room), (high_x - room, high_y - room)
        else:
            low, high = _MIDDLE - self.object_start_bounds * _HALF, _MIDDLE + self.object_start_bounds * _HALF
        places = draw_places(rng, radii.tolist(), low, high, _GAP, where=self.name)
        return {
            "objects/size": sizes,
            "objects/mass": self.draw_masses(given),
            "objects/orientation_eul": given.get("objects/orientation_eul", turns),
            "objects/position": given.get("objects/position", np.column_stack([places, bottom + sizes[:, 2] / 2])),
        }


class DrawerButtonPlayroomEnv3D(DrawerPlayroomEnv3D):
    """The playroom with three buttons on the desk, which springs push out.

    Further task: `press_button`, in which one of them is to be pressed, and no other. Further observations: `buttons/position`
    `(3, 3)`, `buttons/joint_position`, `buttons/closed` (1 for a pressed one) and `buttons/contact`, each `(3,)`.
    """

    tasks = {**TASKS, **BUTTON_TASKS}
    has_buttons = True

    predefined_arguments = [
        *DrawerPlayroomEnv3D.predefined_arguments,
        Argument("task", type=str, default="press_button", choices=tuple(tasks), help="what is to be done"),
    ]
