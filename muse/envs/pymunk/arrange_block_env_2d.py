"""Blocks under gravity that are to be arranged on the floor."""

from __future__ import annotations

import numpy as np
from attrdict import AttrDict

from muse.envs.pymunk.stack_block_env_2d import StackBlockEnv2D


class ArrangeBlockEnv2D(StackBlockEnv2D):
    """As `StackBlockEnv2D`, but every block is to go to a place of its own on the floor, between or beside the others.

    Observation of the task: `goal_block_positions` `(n, 2)`.
    """

    default_params = StackBlockEnv2D.default_params & AttrDict(
        num_blocks=3, block_size_lower=[30.0, 30.0], block_size_upper=[40.0, 60.0], grid_size=[500.0, 500.0], horizon=400
    )

    goal_description = "places on the floor"

    def lay_out(self, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draws blocks and free places for them, side by side in any order."""
        middles = self.draw_row(np.tile(sizes[:, 0], 2))
        places = np.stack([middles, np.tile(sizes[:, 1], 2) / 2], axis=1)
        return places[: len(sizes)], places[len(sizes) :]
