"""The scripted expert of worlds with gravity."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from muse.policies.pymunk.block_policy import HOLD, LET_GO, BlockPolicy
from muse.utils.abstract import Argument


class StackBlockExpert(BlockPolicy):
    """Takes blocks from above, the first of the tower first, carries them over everything, and lets go of each at its place.

    For `StackBlockEnv2D` and `ArrangeBlockEnv2D`.
    """

    predefined_arguments = BlockPolicy.predefined_arguments + [
        Argument("close", type=float, default=3.0, help="way aside from where it goes at which the ego goes down", unit="px"),
        Argument("settled", type=float, default=8.0, help="way from its place at which a block is left there", unit="px"),
        Argument("reach", type=float, default=5.0, help="gap at which a block is grabbed", unit="px"),
        Argument("clearance", type=float, default=15.0, help="way over everything that is passed", unit="px"),
    ]

    close: float
    settled: float
    reach: float
    clearance: float
    reads = ("position", "block_positions", "block_angles", "block_velocities", "goal_block_positions", "active_constraints")
    env_name = "StackBlockEnv2D"

    def act(self, seen: Mapping[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """See `BlockPolicy.act`."""
        ego, blocks, sizes, goals = (
            seen[name] for name in ("position", "block_positions", "block_sizes", "goal_block_positions")
        )
        held = np.flatnonzero(seen["active_constraints"])
        left = np.linalg.norm(goals - blocks, axis=1)
        if len(held):
            return self._carry(seen, int(held[0]))
        undone = np.flatnonzero(left > self.settled)
        if not len(undone):
            return np.array([0.0, self.speed]) if ego[1] < self._top(seen, -1) + self.clearance else np.zeros(2), LET_GO
        i = int(undone[0])
        top = blocks[i, 1] + sizes[i, 1] / 2 + self.ego_size / 2
        way = blocks[i] - ego
        if self._is_over(way[0], ego[1] - top):
            if ego[1] - top < self.reach:
                return np.zeros(2), HOLD
            return np.array([self.gain * way[0], max(-self.speed, 0.5 * self.gain * (top - ego[1]) - 5.0)]), LET_GO
        return self._over(ego, float(blocks[i, 0]), self._top(seen, -1) + self.ego_size / 2), LET_GO

    def _carry(self, seen: Mapping[str, np.ndarray], i: int) -> tuple[np.ndarray, float]:
        block, goal, half = seen["block_positions"][i], seen["goal_block_positions"][i], seen["block_sizes"][i, 1] / 2
        way = goal - block
        if self._is_over(way[0], -way[1]):
            if abs(way[1]) <= 2.0 and abs(way[0]) <= 2 * self.close:
                return np.zeros(2), LET_GO
            return np.array([self.gain * way[0], 0.6 * self.gain * way[1] - math.copysign(2.0, -way[1])]), HOLD
        return self._over(block, float(goal[0]), self._top(seen, i) + half), HOLD

    def _is_over(self, aside: float, height: float) -> bool:
        """Whether what goes down on something is well over it: low above it, a shove aside is mended on the way."""
        return abs(aside) <= self.close * (3.0 if height < self.clearance else 1.0)

    def _over(self, place: np.ndarray, x: float, height: float) -> np.ndarray:
        """Returns the velocity `(2,)` on the way to `x` at `clearance` over `height`: up first, then along."""
        lack = height + self.clearance - place[1]
        velocity = np.array([self.gain * (x - place[0]), self.gain * lack])
        if lack > self.clearance / 2:
            velocity[0] = 0.0
        return velocity

    def _top(self, seen: Mapping[str, np.ndarray], but: int) -> float:
        """Returns the height of the highest block, that one left out [px]."""
        tops = seen["block_positions"][:, 1] + seen["block_sizes"][:, 1] / 2
        return max((float(top) for k, top in enumerate(tops) if k != but), default=0.0)
