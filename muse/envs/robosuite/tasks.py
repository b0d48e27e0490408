"""What is known of robosuite's tasks without building them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Task:
    """Sizes of what a task shows, and what its resets move.

    Attributes:
        object_size: Numbers in `object`.
        objects: Objects with a pose of their own and the free joint of each, in the order of `objects/position`.
        state_size: Numbers in a state: time, joint positions, joint velocities, and seven for each placed body.
        placed_bodies: Bodies without a joint that a reset places.
    """

    object_size: int
    objects: dict[str, str]
    state_size: int
    placed_bodies: tuple[str, ...] = ()


#: Tasks that are tested, with one Panda. Others are looked into by building them once.
TASKS = {
    "NutAssemblySquare": Task(14, {"SquareNut": "SquareNut_joint0"}, 45),
    "Lift": Task(10, {"cube": "cube_joint0"}, 32),
    "Stack": Task(23, {"cubeA": "cubeA_joint0", "cubeB": "cubeB_joint0"}, 45),
    "PickPlaceCan": Task(14, {"Can": "Can_joint0"}, 71),
    "ToolHang": Task(44, {"base": "stand_joint0", "frame": "frame_joint0", "tool": "tool_joint0"}, 58),
    "Door": Task(14, {}, 30, ("Door_main",)),
}

#: Where a sweep over NutAssemblySquare places the nut: the middle of the task's own range in x, and its height above the floor [m].
_SQUARE_X, _SQUARE_Z = -0.1125, 0.89


def preset_sweep(env_name: str, positions: int, orientations: int) -> list[dict[str, np.ndarray]] | None:
    """Returns starts on a grid over a task's own range of resets, or None for a task without one.

    NutAssemblySquare: `positions` values of the nut's y in [0.11, 0.225] m, each with `orientations` turns about the vertical
    in [0, 2 pi).

    Returns:
        For each start `objects/position` `(n, 3)` [m] and `objects/orientation` `(n, 4)` (x, y, z, w), world frame.
    """
    if env_name != "NutAssemblySquare":
        return None
    return [
        {
            "objects/position": np.array([[_SQUARE_X, y, _SQUARE_Z]]),
            "objects/orientation": np.array([[0.0, 0.0, np.sin(turn / 2), np.cos(turn / 2)]]),
        }
        for y in np.linspace(0.11, 0.225, positions)
        for turn in np.linspace(0, 2 * np.pi, orientations, endpoint=False)
    ]
