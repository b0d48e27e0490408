"""The options of worlds of blocks, and what is asked of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from muse.envs.env import EnvError
from muse.envs.pymunk.scene import Physics
from muse.utils.abstract import Argument

#: Largest grab action.
GRAB = 500.0

ARGUMENTS = [
    Argument("render", type=bool, default=False, help="show a window (render() works without)"),
    Argument("horizon", type=int, default=300, help="length after which an episode is truncated", unit="steps"),
    Argument("done_on_success", type=bool, default=True, help="end an episode when the task is solved"),
    Argument("use_dense_reward", type=bool, default=False, help="minus the way that is left, instead of 1 for success"),
    Argument("grid_size", type=list, default=[400.0, 400.0], element_type=float, help="width and height of the world", unit="px"),
    Argument("dt", type=float, default=0.1, help="time of a step", unit="s"),
    Argument("gravity", type=list, default=[0.0, 0.0], element_type=float, help="acceleration of blocks", unit="px/s^2"),
    Argument("damping", type=float, default=0.5, help="part of every velocity left after a second; 0: nothing slides on"),
    Argument("max_velocity", type=float, default=100.0, help="largest velocity of the ego along each axis", unit="px/s"),
    Argument("default_teleop_speed", type=float, default=75.0, help="velocity at which a person drives the ego", unit="px/s"),
    Argument("action_noise_prob", type=float, default=0.0, help="chance that the ego's velocity is turned in a step"),
    Argument("action_noise_theta", type=float, default=math.pi / 18, help="standard deviation of that turn", unit="rad"),
    Argument("num_blocks", type=int, default=1, help="blocks"),
    Argument("block_size", type=float, default=40.0, help="side of blocks", unit="px"),
    Argument("block_size_lower", type=list, default=None, element_type=float, help="least width and height, where they are drawn", unit="px"),
    Argument("block_size_upper", type=list, default=None, element_type=float, help="largest width and height", unit="px"),
    Argument("ego_block_size", type=float, default=None, help="side of the ego; None: block_size", unit="px"),
    Argument("block_mass", type=float, default=10.0, help="mass of ego and blocks"),
    Argument("block_friction", type=float, default=0.3, help="friction of ego and blocks"),
    Argument("block_corner_radius", type=float, default=0.0, help="how round corners are, outside of the size", unit="px"),
    Argument("static_line_friction", type=float, default=0.0, help="friction of walls"),
    Argument("block_grabbing_frac", type=float, default=1.15, help="1 + the gap over which a block is caught, in sizes of the ego"),
    Argument("grab_action_binary", type=bool, default=False, help="hold blocks rigidly"),
    Argument("grab_one_only", type=bool, default=False, help="catch the nearest block alone"),
    Argument("grab_action_max_force", type=float, default=1e6, help="force at full grab"),
    Argument("block_bbox", type=bool, default=False, help="observe bounding_box and block_bounding_boxes"),
    Argument("block_offsets", type=bool, default=False, help="observe where blocks are from the ego, and goals from blocks"),
    Argument("imgs", type=bool, default=False, help="observe 'image'"),
    Argument("img_width", type=int, default=128, help="width of 'image'", unit="px"),
    Argument("img_height", type=int, default=128, help="height of 'image'", unit="px"),
]  # fmt: skip


def check_positive(options: Any, names: Sequence[str], where: str) -> None:
    """Raises `EnvError` for an option, an attribute of `options`, that is not more than 0."""
    for name in names:
        if not getattr(options, name) > 0:
            raise EnvError(f"{where}: {name}", str(getattr(options, name)), "more than 0")


def check_options(options: Any, where: str) -> None:
    """Raises `EnvError` for options, attributes of `options`, that make no world."""
    for name in ("horizon", "img_width", "img_height"):
        if getattr(options, name) < 1:
            raise EnvError(f"{where}: {name}", str(getattr(options, name)), "at least 1")
    check_positive(
        options, ("dt", "max_velocity", "default_teleop_speed", "block_size", "block_mass", "grab_action_max_force"), where
    )
    for name in ("num_blocks", "block_friction", "static_line_friction", "block_corner_radius", "action_noise_theta"):
        if not getattr(options, name) >= 0:
            raise EnvError(f"{where}: {name}", str(getattr(options, name)), "at least 0")
    for name in ("damping", "action_noise_prob"):
        if not 0 <= getattr(options, name) <= 1:
            raise EnvError(f"{where}: {name}", str(getattr(options, name)), "from 0 to 1")
    if options.block_grabbing_frac < 1:
        raise EnvError(f"{where}: block_grabbing_frac", str(options.block_grabbing_frac), "at least 1")
    if len(options.grid_size) != 2 or min(options.grid_size) <= 0:
        raise EnvError(f"{where}: grid_size", str(options.grid_size), "[width, height], more than 0")
    if len(options.gravity) != 2:
        raise EnvError(f"{where}: gravity", str(options.gravity), "[x, y]")
    if options.ego_block_size is not None and not options.ego_block_size > 0:
        raise EnvError(f"{where}: ego_block_size", str(options.ego_block_size), "more than 0, or None")
    low, high = options.block_size_lower, options.block_size_upper
    if (low is None) != (high is None) or (
        low is not None and not (len(low) == len(high) == 2 and all(0 < a <= b for a, b in zip(low, high, strict=True)))
    ):
        raise EnvError(
            f"{where}: block_size_lower, block_size_upper",
            f"{low}, {high}",
            "[width, height] each, the first not above the second",
        )


def read_physics(options: Any) -> Physics:
    """Returns what stays the same from episode to episode."""
    ego_size = options.block_size if options.ego_block_size is None else options.ego_block_size
    return Physics(
        grid_size=(float(options.grid_size[0]), float(options.grid_size[1])),
        dt=options.dt,
        gravity=(float(options.gravity[0]), float(options.gravity[1])),
        damping=options.damping,
        ego_size=ego_size,
        block_mass=options.block_mass,
        block_friction=options.block_friction,
        line_friction=options.static_line_friction,
        corner_radius=options.block_corner_radius,
        is_grab_rigid=options.grab_action_binary,
        grab_reach=(options.block_grabbing_frac - 1) * ego_size,
        grab_one_only=options.grab_one_only,
        grab_force=options.grab_action_max_force,
        grab_full=GRAB,
    )
