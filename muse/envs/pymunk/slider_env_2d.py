"""Blocks that slide in grooves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.env import EnvError
from muse.envs.placing import draw_places
from muse.envs.pymunk.goal_block_env_2d import GoalBlockEnv2D
from muse.envs.pymunk.scene import Line
from muse.envs.pymunk.view import BLOCKS, BlockView
from muse.envs.simple.canvas import Canvas, Colour
from muse.utils.abstract import Argument

#: Middle of each groove, in fractions of the world, and its direction: the first block slides along x, the second along y.
_GROOVES = (((0.4, 0.25), (1.0, 0.0)), ((0.75, 0.6), (0.0, 1.0)))
_GROOVE_COLOUR: Colour = (214, 209, 196)


class SliderBlockEnv2D(GoalBlockEnv2D):
    """One or two blocks that slide in grooves, the first along x and the second along y, are to be pushed to goals in them.

    Solved when every block is within `tolerance` of its goal.

    Observations of the task: `goal_block_positions` `(n, 2)`. Where a block is along its groove follows from `block_positions`.
    """

    predefined_arguments = [
        *GoalBlockEnv2D.predefined_arguments,
        Argument("tolerance", type=float, default=8.0, help="way from its goal at which a block is there", unit="px"),
        Argument(
            "slider_range", type=float, default=80.0, help="how far a block slides from the middle of its groove", unit="px"
        ),
        Argument(
            "min_goal_distance", type=float, default=40.0, help="least way from a block to its goal, where drawn", unit="px"
        ),
    ]
    default_params = AttrDict(num_blocks=2, damping=0.0)
    positive_options = ("tolerance", "slider_range")
    goal_description = "in the groove of each block"

    def __init__(self, params: Mapping[str, Any], env_spec: Any) -> None:
        super().__init__(params, env_spec)
        if not 1 <= self.num_blocks <= len(_GROOVES):
            raise EnvError(f"{self.name}: num_blocks", str(self.num_blocks), f"from 1 to {len(_GROOVES)}")
        if not 0 <= self.min_goal_distance <= self.slider_range:
            # A block in the middle has goals that far on both sides.
            raise EnvError(f"{self.name}: min_goal_distance", str(self.min_goal_distance), f"from 0 to {self.slider_range:g}")

    def draw_start(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Draws where each block and its goal are along its groove, then the ego."""
        n, reach = self.num_blocks, self.slider_range
        start = {"block_sizes": self.draw_sizes(given), "block_angles": np.zeros(n), **given}
        along = self.rng.uniform(-reach, reach, n)
        # Of the goals that are far enough away on both sides, each is as likely.
        below, above = (np.maximum(0.0, reach + side * along - self.min_goal_distance) for side in (1.0, -1.0))
        share = self.rng.uniform(0, below + above)
        goals = np.where(share < below, -reach + share, along + self.min_goal_distance + share - below)
        middles, directions = self._middles(), np.array([direction for _, direction in _GROOVES[:n]])
        start.setdefault("block_positions", middles + along[:, None] * directions)
        start.setdefault("goal_block_positions", middles + goals[:, None] * directions)
        for name in ("block_positions", "goal_block_positions"):
            self._check_in_groove(name, np.asarray(start[name], np.float64))
        if "position" not in start:
            sizes, edge = start["block_sizes"], self.ego_size
            taken = [(x, y, math.hypot(*size) / 2) for (x, y), size in zip(start["block_positions"], sizes, strict=True)]
            high = (self.grid_size[0] - edge, self.grid_size[1] - edge)
            start["position"] = draw_places(self.rng, [edge / math.sqrt(2)], (edge, edge), high, 1.0, taken, self.name)[0]
        return start

    def find_grooves(self) -> Sequence[Line]:
        """Returns the grooves."""
        return [
            ((x - dx * self.slider_range, y - dy * self.slider_range), (x + dx * self.slider_range, y + dy * self.slider_range))
            for (x, y), (_, (dx, dy)) in zip(self._middles().tolist(), _GROOVES, strict=False)
        ]

    def draw_goals(self, view: BlockView, canvas: Canvas) -> None:
        """Draws the grooves, and on each a goal."""
        for i, ((begin, end), goal) in enumerate(zip(self.find_grooves(), self.goals, strict=True)):
            ends = [view.scale * np.asarray(place) for place in (begin, end)]
            canvas.stroke(*ends, 0.012, _GROOVE_COLOUR)
            view.draw_goal_point(canvas, goal, self.tolerance, BLOCKS[i % len(BLOCKS)])

    def _middles(self) -> np.ndarray:
        return np.array([middle for middle, _ in _GROOVES[: self.num_blocks]]) * self.grid_size

    def _check_in_groove(self, name: str, places: np.ndarray) -> None:
        for i, (place, (begin, end)) in enumerate(zip(places, self.find_grooves(), strict=True)):
            if (place < np.asarray(begin) - 0.01).any() or (place > np.asarray(end) + 0.01).any():
                raise EnvError(
                    f"{self.name}.reset: '{name}'", f"block {i} at {place.tolist()}", f"on its groove, {begin} to {end}"
                )
