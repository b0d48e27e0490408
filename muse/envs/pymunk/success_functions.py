"""How far blocks are from where they should be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.utils.angles import wrap

#: A block is where it should be within this way [px] and turn [rad].
TOLERANCE, ANGLE_TOLERANCE = 15.0, math.pi / 12


def position_errors(positions: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """Returns the way from each position `(..., 2)` to its goal, `(...)` [px]."""
    return np.linalg.norm(np.asarray(positions, np.float64) - np.asarray(goals, np.float64), axis=-1)


def angle_errors(angles: np.ndarray, goals: np.ndarray, symmetry: np.ndarray | float = 2 * math.pi) -> np.ndarray:
    """Returns the smallest turn `(...)` [rad], at least 0, from each angle to its goal.

    Args:
        angles, goals: `(...)` [rad].
        symmetry: Turn after which a block looks as before [rad], for each or for all.
    """
    turn = np.asarray(angles, np.float64) - np.asarray(goals, np.float64)
    return np.abs(wrap(turn, np.asarray(symmetry)))


def make_success_function(
    position_weight: float, tolerance: float = TOLERANCE, angle_tolerance: float = ANGLE_TOLERANCE
) -> Callable[[Mapping[str, Any], Sequence[int], Mapping[str, Any]], AttrDict]:
    """Returns a measure of how well episodes brought their blocks to a goal.

    The measure of a state is `w |way| / tolerance + (1 - w) |turn| / angle_tolerance`, the mean over its blocks; up to 1 is a success.

    Args:
        position_weight: `w`, from 0 to 1.
        tolerance: [px].
        angle_tolerance: [rad].

    Returns:
        `fn(trajectory_obs, done_idxs, goal_obs)` -> `best`, `initial` and `final` `(E,)`: the least measure of each episode, its
        first and its last. `trajectory_obs` has `block_positions` `(N, n, 2)` and `block_angles` `(N, n)` of all episodes, one
        after another; `done_idxs` `(E,)` is the last row of each; `goal_obs` has the same names, `(E, n, 2)` and `(E, n)`.
    """

    def measure(trajectory_obs: Mapping[str, Any], done_idxs: Sequence[int], goal_obs: Mapping[str, Any]) -> AttrDict:
        best, initial, final, begin = [], [], [], 0
        for episode, last in enumerate(done_idxs):
            rows = slice(begin, int(last) + 1)
            way = position_errors(trajectory_obs["block_positions"][rows], goal_obs["block_positions"][episode])
            turn = angle_errors(trajectory_obs["block_angles"][rows], goal_obs["block_angles"][episode])
            values = (position_weight * way / tolerance + (1 - position_weight) * turn / angle_tolerance).mean(axis=-1)
            best.append(values.min())
            initial.append(values[0])
            final.append(values[-1])
            begin = int(last) + 1
        return AttrDict(best=np.array(best), initial=np.array(initial), final=np.array(final))

    return measure


_MOVES = ("pull_back_move_left", "pull_back_move_right", "pull_back_move_up", "push_left", "push_right")
_TURNS = ("rotate_left", "rotate_right", "left_side_rotate", "right_side_rotate", "tip")

#: Name of a primitive -> measure of its success: those that move a block weigh its place more, those that turn it its angle.
pname_to_success = {
    **{name: make_success_function(0.75) for name in _MOVES},
    **{name: make_success_function(0.25) for name in _TURNS},
}
