"""Scripted experts that bring blocks to goals: by pushing, or by turning and carrying."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from muse.models.model import Model
from muse.policies.pymunk.block_policy import HOLD, LET_GO, BlockPolicy
from muse.policies.pymunk.planning import Box, gap_between, half_extents, next_waypoint
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.angles import wrap
from muse.utils.attrdicts import Batch

#: Free way that is kept from blocks that are passed, and in front of a block before it is touched [px].
_MARGIN = 4.0
_BEFORE = 8.0
#: How far aside from the middle of a block the ego may push it [px].
_ASIDE = 10.0
#: Least way from a block to a goal that is drawn for it [px], and how often a goal is drawn anew that is in the way.
_FAR, _DRAWS = 80.0, 100

Seen = Mapping[str, np.ndarray]


class PushBlockExpert(BlockPolicy):
    """Pushes each block to its goal, along x and along y, with the flat of the ego.

    It goes round the blocks to the side from which to push. Where the block's way is longer along one axis, that is first; once
    behind a block, the ego stays on its axis until the block is there. Blocks are brought one after another, along a way on which no
    other one is before along one that is not clear: with two blocks, all but a few episodes succeed.

    For `PushBlockEnv2D` without `use_goal_angles`, and `SliderBlockEnv2D`. As a skill of a `MetaPolicy`, with `draws_goals`, also with
    `use_goal_angles`.
    """

    predefined_arguments = BlockPolicy.predefined_arguments + [
        Argument("close", type=float, default=7.0, help="way from its goal, along each axis, at which a block is left alone", unit="px"),
        Argument("draws_goals", type=bool, default=False, help="bring a block to a goal drawn at the beginning, not to those observed, and end there"),
    ]  # fmt: skip

    close: float
    draws_goals: bool
    reads = ("position", "block_positions", "block_angles", "goal_block_positions")
    env_name = "PushBlockEnv2D"

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        self._goals: list[dict[str, np.ndarray]] = []

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """See `Policy.reset_policy`."""
        begun = self.begun_rows(rows, seeds)
        super().reset_policy(rows, seeds)
        if len(self._goals) != len(begun):
            self._goals = [{} for _ in begun]
        for row in np.flatnonzero(begun).tolist():
            self._goals[row] = {}

    def see_rows(self, obs: Batch) -> list[dict[str, np.ndarray]]:
        """See `BlockPolicy.see_rows`; with the goals of its own."""
        rows = super().see_rows(obs)
        if self.draws_goals and len(rows) == len(self._goals):
            for row, seen in enumerate(rows):
                self._goals[row] = self._goals[row] or self.draw_goals(seen, self.generator(row))
                seen.update(self._goals[row])
        return rows

    def draw_goals(self, seen: Seen, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Returns goals by name: a new one for one of the blocks, at a place for it, and for the others where they are."""
        places = seen["block_positions"]
        goals, i = places.copy(), int(generator.integers(len(places)))
        radii = np.linalg.norm(seen["block_sizes"], axis=1) / 2
        room = radii[i] + self.ego_size
        others = np.arange(len(places)) != i
        # None for a block that is as large as the world.
        low, high = self.low + room, self.high - room
        for _ in range(_DRAWS if np.all(low < high) else 0):
            goal = generator.uniform(low, high)
            free = np.linalg.norm(places - goal, axis=1) > np.where(others, radii + radii[i] + self.ego_size, _FAR)
            if free.all():
                goals[i] = goal
                break
        return {"goal_block_positions": goals}

    def is_terminated(self, model: Model | None, obs: Batch, goal: Batch) -> np.ndarray:
        """See `Policy.is_terminated`: also rows that have reached the goal that was drawn, with `draws_goals`."""
        ended = super().is_terminated(model, obs, goal)
        if not self.draws_goals:
            return ended
        return ended | np.array([not len(self.find_undone(seen)) for seen in self.see_rows(obs)], dtype=bool)

    def find_undone(self, seen: Seen) -> np.ndarray:
        """Returns the numbers of blocks that are to be brought to their goals."""
        left = seen["goal_block_positions"] - seen["block_positions"]
        return np.flatnonzero((np.abs(left) > self.close).any(axis=1))

    def act(self, seen: Seen) -> tuple[np.ndarray, float]:
        """See `BlockPolicy.act`."""
        ego, left = seen["position"], seen["goal_block_positions"] - seen["block_positions"]
        undone = self.find_undone(seen)
        if not len(undone):
            return np.zeros(2), LET_GO
        ways = [(int(i), int(axis)) for i in undone for axis in np.argsort(-np.abs(left[i]))]
        boxes = grown(seen, self.ego_size)
        clear = [way for way in ways if self._is_clear(seen, *way, left[way], boxes)] or ways
        for i, axis in clear:
            if abs(left[i, axis]) > 1.0 and self._is_behind(seen, i, axis, left[i, axis]):
                velocity = np.zeros(2)
                velocity[axis] = self.gain * left[i, axis]
                velocity[1 - axis] = 0.5 * self.gain * (seen["block_positions"][i, 1 - axis] - ego[1 - axis])
                # What is not at the end yet is pushed on, however little is left.
                velocity[axis] += math.copysign(0.1 * self.speed, left[i, axis])
                return velocity, LET_GO
        i, axis = next((way for way in clear if abs(left[way]) > self.close), clear[0])
        place = self.beside(seen, i, axis, -math.copysign(1.0, left[i, axis]))
        return self.go_to(ego, place, boxes), LET_GO

    def _is_clear(self, seen: Seen, i: int, axis: int, left: float, boxes: Sequence[Box]) -> bool:
        """Whether no other block is where block `i` goes along an axis, nor where the ego begins to push it."""
        begin, side = seen["block_positions"][i], math.copysign(1.0, left)
        half = half_extents(seen["block_sizes"][i], float(seen["block_angles"][i]))
        low, high = begin - half, begin + half
        low[axis], high[axis] = low[axis] + min(left, 0.0), high[axis] + max(left, 0.0)
        place = np.clip(self.beside(seen, i, axis, -side), self.low, self.high)
        others = [box for k, box in enumerate(boxes) if k != i]
        bare = self.ego_size / 2 + _MARGIN
        return not any(
            (np.all(high > box[0] + bare) and np.all(low < box[1] - bare)) or (np.all(place > box[0]) and np.all(place < box[1]))
            for box in others
        )

    def beside(self, seen: Seen, i: int, axis: int, side: float) -> np.ndarray:
        """Returns the place `(2,)` before one side of block `i`: below (-1) or above (1) it along `axis`."""
        place = seen["block_positions"][i].copy()
        half = half_extents(seen["block_sizes"][i], float(seen["block_angles"][i]))
        place[axis] += side * (half[axis] + self.ego_size / 2 + _BEFORE)
        return place

    def go_to(self, ego: np.ndarray, place: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
        """Returns the velocity `(2,)` on the way to a place round boxes."""
        place = np.clip(place, self.low, self.high)
        return self.gain * (next_waypoint(ego, place, boxes, self.low, self.high) - ego)

    def _is_behind(self, seen: Seen, i: int, axis: int, left: float) -> bool:
        """Whether the ego stands where it pushes block `i` the right way along `axis`."""
        way = seen["block_positions"][i] - seen["position"]
        half = half_extents(seen["block_sizes"][i], float(seen["block_angles"][i]))
        along = math.copysign(1.0, left) * way[axis] - half[axis] - self.ego_size / 2
        return bool(-_MARGIN < along < _BEFORE + 3.0 and abs(way[1 - axis]) < _ASIDE)


class CarryBlockExpert(PushBlockExpert):
    """Turns each block by pushing one end of it, then grabs it, carries it to its goal and lets go.

    The ego never turns, so a block that it holds rigidly keeps its angle.

    It brings one block, or blocks that are not in each other's way. For `PushBlockEnv2D` with `use_goal_angles` and `grab_action_binary`.
    """

    predefined_arguments = PushBlockExpert.predefined_arguments + [
        Argument("reach", type=float, default=4.0, help="gap at which a block is grabbed", unit="px"),
        Argument("close_turn", type=float, default=0.12, help="turn that a block is left with", unit="rad"),
        Argument(
            "overlap", type=float, default=9.0, help="part of a block, along its side, that is pushed to turn it", unit="px"
        ),
    ]

    reach: float
    close_turn: float
    overlap: float
    reads = (*PushBlockExpert.reads, "goal_block_angles", "active_constraints")

    def act(self, seen: Seen) -> tuple[np.ndarray, float]:
        """See `BlockPolicy.act`."""
        ego = seen["position"]
        left = seen["goal_block_positions"] - seen["block_positions"]
        turns = self._turns(seen)
        held = np.flatnonzero(seen["active_constraints"])
        if len(held):
            i = int(held[0])
            if np.linalg.norm(left[i]) < self.close / 2 or abs(turns[i]) > 2 * self.close_turn:
                return np.zeros(2), LET_GO
            return self.gain * left[i], HOLD
        undone = self.find_undone(seen)
        if not len(undone):
            return np.zeros(2), LET_GO
        i = int(undone[0])
        boxes = grown(seen, self.ego_size)
        if abs(turns[i]) > self.close_turn:
            return self._turn(seen, i, float(turns[i]), boxes), LET_GO
        gap = gap_between(ego, self.ego_size, seen["block_positions"][i], seen["block_sizes"][i], float(seen["block_angles"][i]))
        if gap < self.reach:
            return np.zeros(2), HOLD
        return self._approach(seen, i, boxes), LET_GO

    def find_undone(self, seen: Seen) -> np.ndarray:
        """See `PushBlockExpert.find_undone`; a block that is held is not let go yet."""
        ways = np.linalg.norm(seen["goal_block_positions"] - seen["block_positions"], axis=1)
        is_held = seen["active_constraints"] > 0
        return np.flatnonzero((ways > self.close) | (np.abs(self._turns(seen)) > self.close_turn) | is_held)

    def draw_goals(self, seen: Seen, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """See `PushBlockExpert.draw_goals`; the block that is brought is turned, too."""
        goals = super().draw_goals(seen, generator)
        moved = (goals["goal_block_positions"] != seen["block_positions"]).any(axis=1)
        turns = generator.uniform(-math.pi, math.pi, len(moved))
        return {**goals, "goal_block_angles": np.where(moved, turns, seen["block_angles"])}

    def _approach(self, seen: Seen, i: int, boxes: Sequence[Box]) -> np.ndarray:
        """Goes before the nearest side, then straight on to the block."""
        ego, block = seen["position"], seen["block_positions"][i]
        places = [(axis, side, self.beside(seen, i, axis, side)) for axis in (0, 1) for side in (-1.0, 1.0)]
        axis, side, place = min(places, key=lambda each: float(np.linalg.norm(each[2] - ego)))
        way = block - ego
        if abs(way[1 - axis]) < 3.0 and side * way[axis] < 0:
            velocity = np.zeros(2)
            velocity[axis] = -side * 0.25 * self.speed
            return velocity
        return self.go_to(ego, place, boxes)

    def _turn(self, seen: Seen, i: int, turn: float, boxes: Sequence[Box]) -> np.ndarray:
        """Pushes the end of the block that turns it the right way, from the nearest of the four sides."""
        ego, block = seen["position"], seen["block_positions"][i]
        half = half_extents(seen["block_sizes"][i], float(seen["block_angles"][i]))
        best = None
        for axis in (0, 1):
            if half[1 - axis] < 0.95 * half[axis]:
                continue  # The end of a short side is no lever.
            for side in (-1.0, 1.0):
                # From below, the right end turns a block counterclockwise; from the left, its lower end.
                end = -side * math.copysign(1.0, turn) * (1.0 if axis == 1 else -1.0)
                place = block.copy()
                place[1 - axis] += end * (half[1 - axis] + self.ego_size / 2 - self.overlap)
                place[axis] += side * (half[axis] + self.ego_size / 2 + _BEFORE)
                distance = float(np.linalg.norm(place - ego))
                if np.all(place >= self.low) and np.all(place <= self.high) and (best is None or distance < best[0]):
                    best = (distance, axis, side, place)
        if best is None:
            return np.zeros(2)
        _, axis, side, place = best
        aside, along = abs(place[1 - axis] - ego[1 - axis]), side * (ego[axis] - place[axis])
        if aside < 5.0 and along < 3.0:
            velocity = np.zeros(2)
            velocity[axis] = -side * self.speed * min(0.6, 0.15 + abs(turn))
            velocity[1 - axis] = self.gain * (place[1 - axis] - ego[1 - axis])
            return velocity
        return self.go_to(ego, place, boxes)

    def _turns(self, seen: Seen) -> np.ndarray:
        """Returns the smallest turn `(n,)` [rad] that makes each block look as at its goal."""
        sizes = seen["block_sizes"]
        period = np.where(np.isclose(sizes[:, 0], sizes[:, 1]), math.pi / 2, math.pi)
        return wrap(seen["goal_block_angles"] - seen["block_angles"], period)


def grown(seen: Seen, ego_size: float) -> list[Box]:
    """Returns the boxes around blocks that the middle of the ego stays out of."""
    boxes = []
    for position, size, angle in zip(seen["block_positions"], seen["block_sizes"], seen["block_angles"], strict=True):
        half = half_extents(size, float(angle)) + ego_size / 2 + _MARGIN
        boxes.append((position - half, position + half))
    return boxes
