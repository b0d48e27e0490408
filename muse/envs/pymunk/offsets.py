"""Where blocks are as seen from the ego, and goals as seen from blocks: what a policy would else have to work out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np

from muse.utils.angles import wrap

_INFINITE = (-np.inf, np.inf)


def offset_leaves(num_blocks: int, task_names: Collection[str]) -> list[tuple]:
    """Returns the leaves of the spec.

    Args:
        num_blocks: `n`.
        task_names: Observations of the task; those of goals have offsets.
    """
    leaves: list[tuple] = [
        ("block_offsets", (num_blocks, 2), _INFINITE, np.float32, "px", "from the ego to each block"),
        ("block_axes", (num_blocks, 2), (-1.0, 1.0), np.float32, "", "cosine and sine of the angle times 1, 2 or 4, as the shape repeats in a turn"),
    ]  # fmt: skip
    if "goal_block_positions" in task_names:
        leaves.append(("goal_block_offsets", (num_blocks, 2), _INFINITE, np.float32, "px", "from each block to its goal"))
    if "goal_block_angles" in task_names:
        limits = (-math.pi, math.pi)
        leaves.append(
            ("goal_block_turns", (num_blocks,), limits, np.float32, "rad", "least turn of each block to look as its goal")
        )
    return leaves


def find_offsets(seen: Mapping[str, np.ndarray], symmetries: np.ndarray) -> dict[str, np.ndarray]:
    """Returns their values `(1, ...)`.

    Args:
        seen: Observations of ego, blocks and goals, `(1, ...)`.
        symmetries: For each block the turn after which it looks as before `(n,)` [rad], in the type of the observations.
    """
    places, angles = seen["block_positions"], seen["block_angles"]
    phases = angles * (np.float32(2 * math.pi) / symmetries)
    offsets = {
        "block_offsets": places - seen["position"][:, None],
        "block_axes": np.stack([np.cos(phases), np.sin(phases)], -1),
    }
    if "goal_block_positions" in seen:
        offsets["goal_block_offsets"] = seen["goal_block_positions"] - places
    if "goal_block_angles" in seen:
        offsets["goal_block_turns"] = wrap(seen["goal_block_angles"] - angles, symmetries)
    return offsets
