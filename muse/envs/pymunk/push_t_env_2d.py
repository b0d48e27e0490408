"""A T that is to be pushed to a pose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.env import EnvError
from muse.envs.pymunk.goal_block_env_2d import GoalBlockEnv2D
from muse.envs.pymunk.scene import Polygon, State
from muse.envs.pymunk.view import BLOCKS, BlockView
from muse.envs.simple.canvas import Canvas
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.angles import wrap
from muse.utils.polygons import Point, area_of, overlap_area, placed, radius_of_gyration, tee_polygons


class PushTEnv2D(GoalBlockEnv2D):
    """A block of the shape of a T is to be pushed, by a small box, until it covers its goal, a T of the same size.

    Solved when the block covers at least `min_coverage` of its goal, as in the task Push-T of diffusion policy. `block_sizes` is the
    width and height of the whole T; bar and stem are a quarter of them thick. Nothing needs to be grabbed; the action has the
    grab of all worlds of blocks. With several blocks, the one that covers the least of its goal counts.

    Observations of the task: `goal_block_positions` `(n, 2)`, of the centre of mass, and `goal_block_angles` `(n,)`.

    The dense reward counts a turn as the way of a point at the radius of gyration. `use_coverage_reward` instead gives the part of
    `min_coverage` that is covered, from 0 to 1.
    """

    predefined_arguments = [
        *GoalBlockEnv2D.predefined_arguments,
        Argument("min_coverage", type=float, default=0.95, help="part of its goal that a block covers when it has reached it"),
        Argument("use_coverage_reward", type=bool, default=False, help="the part that is covered, instead of 1 for success"),
        Argument(
            "min_goal_distance", type=float, default=80.0, help="least way from a block to its goal, where drawn", unit="px"
        ),
    ]
    # A pushed block stops where it is let go.
    default_params = AttrDict(damping=0.0, block_size=96.0, ego_block_size=20.0, block_grabbing_frac=1.0)
    positive_options = ("num_blocks", "min_coverage")

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        if self.min_coverage > 1:
            raise EnvError(f"{self.name}: min_coverage", str(self.min_coverage), "at most 1")
        if self.use_coverage_reward and self.use_dense_reward:
            raise EnvError(f"{self.name}: use_coverage_reward", "use_dense_reward, too", "one of them")

    @classmethod
    def get_task_leaves(cls, params: Mapping[str, Any]) -> tuple[list[tuple], list[tuple]]:
        """See `BlockEnv2D.get_task_leaves`."""
        goals, task_params = super().get_task_leaves(params)
        angles = ("goal_block_angles", (params["num_blocks"],), (-math.pi, math.pi), np.float32, "rad", cls.goal_description)
        return [*goals, angles], task_params

    def draw_start(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Draws blocks, then goals, then the ego, none of them on another."""
        sizes = self.draw_sizes(given)
        radii = np.array([max(np.linalg.norm(part, axis=1).max() for part in tee_polygons(*size)) for size in sizes])
        start = self.draw_apart({**given, "block_sizes": sizes}, radii)
        start.setdefault("goal_block_angles", self.rng.uniform(-math.pi, math.pi, self.num_blocks))
        return self.draw_ego(start, radii)

    def make_parts(self) -> list[list[Polygon]]:
        """Returns bar and stem of each T."""
        return [list(tee_polygons(*size)) for size in self.start["block_sizes"].astype(np.float64).tolist()]

    def begin(self) -> None:
        """Reads the goals."""
        super().begin()
        self._goal_angles: list[float] = self.start["goal_block_angles"].tolist()
        self._shapes: list[list[list[Point]]] = [[_corners(part) for part in parts] for parts in self.make_parts()]
        self._goal_shapes = self._place(self.goals, self._goal_angles)
        self._areas = [sum(map(area_of, shape)) for shape in self._shapes]
        self._gyrations = [radius_of_gyration(shape) for shape in self._shapes]
        lost, radii = 1 - self.min_coverage, [max(math.hypot(*c) for part in shape for c in part) for shape in self._shapes]
        # What covers that much of its goal has its centre of mass within this way of the goal's: the parts of the two that do not
        # overlap are `lost` of the area each, and no further away than the radius.
        self._reach = [2 * radius * lost / self.min_coverage + 1e-6 for radius in radii]

    def coverage(self, state: State) -> list[float]:
        """Returns the part of its goal that each block covers, from 0 to 1."""
        shapes = self._place(state.block_positions, state.block_angles)
        return [
            min(1.0, overlap_area(shape, goal) / area)
            for shape, goal, area in zip(shapes, self._goal_shapes, self._areas, strict=True)
        ]

    def is_solved(self, state: State) -> bool:
        """Whether every block covers its goal."""
        near = all(way <= reach for way, reach in zip(self.ways_left(state), self._reach, strict=True))
        return near and min(self.coverage(state)) >= self.min_coverage

    def distance_left(self, state: State) -> float:
        """Returns the mean way from the blocks to their goals, and the way of a turn at the radius of gyration [px]."""
        turns = (abs(wrap(angle - goal)) for angle, goal in zip(state.block_angles, self._goal_angles, strict=True))
        ways = self.ways_left(state)
        left = (math.hypot(way, r * turn) for way, r, turn in zip(ways, self._gyrations, turns, strict=True))
        return sum(left) / self.num_blocks

    def get_reward(self, state: State, is_solved: bool) -> float:
        """See `BlockEnv2D.get_reward`."""
        if self.use_coverage_reward:
            return min(1.0, min(self.coverage(state)) / self.min_coverage)
        return super().get_reward(state, is_solved)

    def draw_goals(self, view: BlockView, canvas: Canvas) -> None:
        """Draws the outline of each T at its goal."""
        for i, (parts, place, angle) in enumerate(zip(self.make_outlines(), self.goals, self._goal_angles, strict=True)):
            view.draw_goal_pose(canvas, parts, place, angle, BLOCKS[i % len(BLOCKS)])

    def find_symmetries(self) -> list[float]:
        """Returns whole turns."""
        return [2 * math.pi] * self.num_blocks

    def make_outlines(self) -> list[list[Polygon]]:
        """Returns bar and stem of each T, the stem up to the top: drawn without a seam."""
        shapes = self.make_parts()
        for bar, stem in shapes:
            stem[2:, 1] = bar[2:, 1]
        return shapes

    def _place(self, positions: Any, angles: Any) -> list[list[list[Point]]]:
        return [
            [placed(part, position, angle) for part in shape]
            for shape, position, angle in zip(self._shapes, positions, angles, strict=True)
        ]


def _corners(polygon: Polygon) -> list[Point]:
    return [(float(x), float(y)) for x, y in polygon]
