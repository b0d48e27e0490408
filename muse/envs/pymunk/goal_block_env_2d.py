"""Blocks that are to be at goals of their own: what the tasks share that say so."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from muse.envs.env import EnvError
from muse.envs.placing import draw_places
from muse.envs.pymunk.block_env_2d import BlockEnv2D
from muse.envs.pymunk.block_options import check_positive
from muse.envs.pymunk.scene import State
from muse.envs.pymunk.success_functions import position_errors
from muse.specs import EnvSpec

#: Way from the edge of a block, or of its goal, to the walls: the ego fits between [px of the ego's size].
_ROOM = 1.5


class GoalBlockEnv2D(BlockEnv2D, ABC):
    """Every block has a goal, `goal_block_positions` `(n, 2)`; solved when each is within `tolerance` of its own.

    A subclass declares the option `tolerance`, and draws the goals.
    """

    #: Options that must be more than 0.
    positive_options: ClassVar[tuple[str, ...]] = ("num_blocks", "tolerance")
    #: What the spec says of the goals.
    goal_description: ClassVar[str] = "of each block"

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        check_positive(self, self.positive_options, self.name)

    @classmethod
    def get_task_leaves(cls, params: Mapping[str, Any]) -> tuple[list[tuple], list[tuple]]:
        """See `BlockEnv2D.get_task_leaves`."""
        shape, limits = (params["num_blocks"], 2), (0.0, params["grid_size"])
        return [("goal_block_positions", shape, limits, np.float32, "px", cls.goal_description)], []

    def draw_apart(self, given: Mapping[str, np.ndarray], radii: np.ndarray) -> dict[str, np.ndarray]:
        """Draws where blocks and goals are, apart from each other and from the walls, and the angles of blocks.

        Args:
            given: What is known of the start.
            radii: Of the circle around each block `(n,)` [px].

        Raises:
            EnvError: When there is no room, or none as far away as the option `min_goal_distance` asks.
        """
        start, room = dict(given), float(radii.max()) + _ROOM * self.ego_size
        low, high = (room, room), (self.grid_size[0] - room, self.grid_size[1] - room)
        if min(high) <= room:
            raise EnvError(f"{self.name}.reset", "no room between the walls", "smaller blocks, or a larger grid_size")
        for _ in range(1000):
            blocks, goals = given.get("block_positions"), given.get("goal_block_positions")
            if blocks is None:
                blocks = draw_places(self.rng, radii, low, high, self.ego_size, where=self.name)
            if goals is None:
                goals = draw_places(self.rng, radii, low, high, self.ego_size, where=self.name)
            if "goal_block_positions" in given or position_errors(blocks, goals).min() >= self.min_goal_distance:
                break
        else:
            raise EnvError(f"{self.name}.reset", f"no goals {self.min_goal_distance:g} px away", "a smaller min_goal_distance")
        start["block_positions"], start["goal_block_positions"] = blocks, goals
        start.setdefault("block_angles", self.rng.uniform(-math.pi, math.pi, self.num_blocks))
        return start

    def draw_ego(self, start: dict[str, np.ndarray], radii: np.ndarray) -> dict[str, np.ndarray]:
        """Returns `start` with a place of the ego away from blocks and walls, where there is none yet.

        Raises:
            EnvError: When there is no room.
        """
        if "position" not in start:
            places = np.asarray(start["block_positions"]).tolist()
            taken = [(x, y, float(radius)) for (x, y), radius in zip(places, radii, strict=True)]
            edge, (width, height) = self.ego_size, self.grid_size
            far = (width - edge, height - edge)
            start["position"] = draw_places(self.rng, [edge / math.sqrt(2)], (edge, edge), far, 1.0, taken, self.name)[0]
        return start

    def begin(self) -> None:
        """Reads the goals, as plain floats: with few blocks they are faster than numpy."""
        self.goals: list[list[float]] = self.start["goal_block_positions"].tolist()

    def is_solved(self, state: State) -> bool:
        """Whether every block is at its goal."""
        return all(way <= self.tolerance for way in self.ways_left(state))

    def distance_left(self, state: State) -> float:
        """Returns the mean way from the blocks to their goals [px]."""
        return sum(self.ways_left(state)) / self.num_blocks

    def ways_left(self, state: State) -> list[float]:
        """Returns the way from each block to its goal [px]."""
        return [math.dist(place, goal) for place, goal in zip(state.block_positions, self.goals, strict=True)]
