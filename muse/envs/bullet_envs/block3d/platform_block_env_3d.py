"""Blocks and mugs on a table with raised edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from muse.envs.bullet_envs.block3d.block_env_3d import BlockEnv3D
from muse.envs.bullet_envs.block3d.mug_env_3d import MugEnv3D
from muse.envs.bullet_envs.block3d.platforms import (
    PLATFORM_MARGIN,
    Off,
    Onto,
    add_platforms,
    draw_on_platforms,
    find_platforms,
    nearest_platform,
    range_between,
)
from muse.envs.bullet_envs.block3d.tasks import Task
from muse.envs.bullet_envs.scene import Scene
from muse.envs.env import EnvError
from muse.envs.placing import draw_places
from muse.specs import EnvSpec
from muse.utils.abstract import Argument


class PlatformBlockEnv3D(BlockEnv3D):
    """A table with platforms along its edges, onto which blocks are to be put, or off which they are to be taken.

    `task`: `onto` wants a block from the table at `goals/position` on a platform, `off` one from a platform at `goals/position`
    on the table; solved when it lies still there, let go.
    """

    predefined_arguments = [
        *(argument for argument in BlockEnv3D.predefined_arguments if argument.name != "task"),
        Argument("task", type=str, default="onto", choices=("onto", "off"), help="what is to be done"),
        Argument("platform_height", type=float, default=0.16 / 3, help="height of the platforms", unit="m"),
        Argument("platform_extent", type=float, default=0.08, help="their width", unit="m"),
    ]
    tasks: ClassVar = {"onto": Onto, "off": Off}

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        low = 2 * PLATFORM_MARGIN
        if not low <= self.platform_extent <= 0.1:
            raise EnvError(f"{self.name}: platform_extent", f"{self.platform_extent}", f"from {low} to 0.1 m")
        if not 0 < self.platform_height <= 0.08:
            raise EnvError(f"{self.name}: platform_height", f"{self.platform_height}", "more than 0, up to 0.08 m")

    def make_task(self) -> Task:
        """Returns what is to be done."""
        self.platforms = find_platforms(self.platform_extent, self.platform_height)
        if self.task == "onto":
            return Onto(self.platforms, self.tolerance, self.angle_tolerance)
        return Off(self.platform_extent, self.tolerance, self.angle_tolerance)

    def build(self, scene: Scene) -> None:
        """Adds the table and the platforms."""
        super().build(scene)
        add_platforms(scene, self.platforms, self.table_friction_coef)

    def find_nearest_platform(self) -> list[int]:
        """Returns for each object the number of the platform that is nearest: near, far, right, left of the arm."""
        return [nearest_platform(self.platforms, place) for place in self._state["objects/position"].tolist()]

    def draw_places(self, reaches: np.ndarray) -> np.ndarray:
        """Draws places between the platforms, or on them where blocks are to be taken off."""
        if self.task == "onto":
            places = draw_places(self.rng, reaches.tolist(), *range_between(self.platform_extent), 0.0, where=self.name)
            return np.column_stack([places, np.zeros(len(places))])
        return np.array([draw_on_platforms(self.rng, self.platforms, PLATFORM_MARGIN) for _ in reaches])


class PlatformMugEnv3D(MugEnv3D, PlatformBlockEnv3D):
    """The same with mugs: see `MugEnv3D` and `PlatformBlockEnv3D`."""
