"""Blocks that are to be at goals of their own: what the tasks share that say so."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from muse.envs.pymunk.block_env_2d import BlockEnv2D
from muse.envs.pymunk.block_options import check_positive
from muse.envs.pymunk.scene import State
from muse.specs import EnvSpec


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
