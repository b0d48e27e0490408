"""Blocks under gravity that are to be stacked."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from attrdict import AttrDict

from muse.envs.env import EnvError
from muse.envs.pymunk.goal_block_env_2d import GoalBlockEnv2D
from muse.envs.pymunk.scene import State, box_polygon
from muse.envs.pymunk.view import BLOCKS, BlockView
from muse.envs.simple.canvas import Canvas
from muse.utils.abstract import Argument
from muse.utils.angles import wrap

#: Velocities below which a block is at rest [px/s, rad/s].
_AT_REST, _AT_REST_TURN = 5.0, 0.2
#: Free way between blocks on the floor, and between them and the walls, in sizes of the ego.
_GAP = 0.4


class StackBlockEnv2D(GoalBlockEnv2D):
    """A world seen from the side: blocks on the floor are to be stacked in order, the first at the bottom, at a given place.

    The ego flies, and carries a block that it holds rigidly. Solved when every block is within `tolerance` of its place in the
    tower, turned by no more than `angle_tolerance` from upright, at rest, and none is held.

    Observation of the task: `goal_block_positions` `(n, 2)`, the places in the tower.
    """

    predefined_arguments = [
        *GoalBlockEnv2D.predefined_arguments,
        Argument("tolerance", type=float, default=12.0, help="way from its place at which a block is there", unit="px"),
        Argument("angle_tolerance", type=float, default=0.15, help="largest turn from upright", unit="rad"),
    ]
    default_params = AttrDict(
        num_blocks=2, gravity=[0.0, -100.0], damping=0.75, block_friction=0.6, static_line_friction=0.6, ego_block_size=30.0,
        block_size_lower=[40.0, 30.0], block_size_upper=[60.0, 50.0], grab_action_binary=True, grab_one_only=True,
        block_grabbing_frac=1.3,
    )  # fmt: skip
    positive_options = (*GoalBlockEnv2D.positive_options, "angle_tolerance")
    goal_description = "places in the tower"

    def draw_start(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Draws blocks side by side on the floor, and free places between them, and the ego above all."""
        n, rng = self.num_blocks, self.rng
        start = {"block_sizes": self.draw_sizes(given), **given}
        sizes = start["block_sizes"]
        start.setdefault("block_angles", np.zeros(n))
        blocks, goals = self.lay_out(sizes)
        start.setdefault("block_positions", blocks)
        start.setdefault("goal_block_positions", goals)
        width, height = self.grid_size
        top = float((start["goal_block_positions"][:, 1] + sizes[:, 1] / 2).max())
        lowest, highest = top + 2 * self.ego_size, height - self.ego_size
        if lowest > highest:
            wanted = "fewer or lower blocks, or a larger grid_size"
            raise EnvError(f"{self.name}.reset", f"no room for the ego over blocks of {top:g} px", wanted)
        start.setdefault("position", rng.uniform([self.ego_size, lowest], [width - self.ego_size, highest]))
        return start

    def lay_out(self, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draws where the blocks stand, side by side on the floor, and where they are to go, each `(n, 2)` [px].

        Args:
            sizes: Width and height of each `(n, 2)` [px].
        """
        # The tower's place is kept free between the blocks.
        *middles, tower_x = self.draw_row(np.append(sizes[:, 0], sizes[:, 0].max()))
        levels = np.cumsum(sizes[:, 1]) - sizes[:, 1] / 2
        return np.stack([middles, sizes[:, 1] / 2], axis=1), np.stack([np.full(len(sizes), tower_x), levels], axis=1)

    def is_solved(self, state: State) -> bool:
        """Whether the tower stands."""
        return (
            not any(state.held)
            and super().is_solved(state)
            and all(abs(wrap(angle, math.pi)) <= self.angle_tolerance for angle in state.block_angles)
            and all(math.hypot(*velocity) <= _AT_REST for velocity in state.block_velocities)
            and all(abs(velocity) <= _AT_REST_TURN for velocity in state.block_angular_velocities)
        )

    def draw_goals(self, view: BlockView, canvas: Canvas) -> None:
        """Draws the tower."""
        for i, (place, size) in enumerate(zip(self.goals, self.start["block_sizes"], strict=True)):
            view.draw_goal_pose(canvas, [box_polygon(*size)], place, 0.0, BLOCKS[i % len(BLOCKS)])

    def draw_row(self, widths: np.ndarray) -> np.ndarray:
        """Returns the middles `(n,)` [px] of things side by side, in an order and at distances that are drawn."""
        order, gap = self.rng.permutation(len(widths)), _GAP * self.ego_size
        spare = self.grid_size[0] - widths.sum() - gap * (len(widths) + 1)
        if spare < 0:
            raise EnvError(
                f"{self.name}.reset",
                f"no room for {len(widths)} things on the floor",
                "fewer or narrower ones, or a wider grid_size",
            )
        # Cuts of the spare room at random: every way to share it is as likely.
        cuts = np.diff(np.sort(np.concatenate([[0.0], self.rng.uniform(0, spare, len(widths))])))
        ends = np.cumsum(widths[order] + gap + cuts)
        middles = np.empty(len(widths))
        middles[order] = ends - widths[order] / 2
        return middles
