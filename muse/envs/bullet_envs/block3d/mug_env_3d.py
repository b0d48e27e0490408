"""Mugs on a table."""

from __future__ import annotations

import math

import numpy as np
from attrdict import AttrDict

from muse.envs.bullet_envs.block3d.block_env_3d import COLOURS, BlockEnv3D
from muse.envs.bullet_envs.block3d.mug import HANDLE, make_mug, outline_mug
from muse.envs.bullet_envs.bodies import Part
from muse.envs.bullet_envs.robot_bullet_env import State
from muse.envs.env import EnvError


class MugEnv3D(BlockEnv3D):
    """Mugs instead of blocks: see `BlockEnv3D` for the tasks.

    The third orientation is where a mug's handle points. `objects/size` is its diameter, twice, and its height, without the handle.
    """

    default_params = AttrDict(
        object_size_lower=[0.055, 0.055, 0.06],
        object_size_upper=[0.068, 0.068, 0.085],
        object_mass_bounds=[0.03, 0.08],
        object_rotation_bounds=math.pi,
    )

    def draw_sizes(self, given: State) -> np.ndarray:
        """Returns sizes `(n, 3)` [m] of round mugs.

        Raises:
            EnvError: When one that was given is not round.
        """
        sizes = super().draw_sizes(given)
        if "objects/size" not in given:
            sizes[:, 1] = sizes[:, 0]
        elif not np.array_equal(sizes[:, 0], sizes[:, 1]):
            raise EnvError(f"{self.name}.reset: 'objects/size'", f"{sizes.tolist()}", "the same along x and y")
        return sizes

    def find_reaches(self, sizes: np.ndarray) -> np.ndarray:
        """Returns how far a mug reaches from its middle, its handle included."""
        return sizes[:, 0] / 2 + HANDLE

    def make_objects(self) -> list[list[Part]]:
        """Returns the parts of the mugs."""
        return [make_mug(x, z, COLOURS[i % len(COLOURS)]) for i, (x, _, z) in enumerate(self.start["objects/size"].tolist())]

    def make_outlines(self) -> list[list[Part]]:
        """Returns a cylinder and a handle for each."""
        return [outline_mug(x, z, COLOURS[0]) for x, _, z in self.start["objects/size"].tolist()]
