"""The options of the worlds of bullet, and what is asked of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from muse.envs.bullet_envs.bodies import Surface
from muse.envs.bullet_envs.panda import MODES, Limits
from muse.envs.bullet_envs.scene import Physics
from muse.envs.env import EnvError
from muse.utils.abstract import Argument

ARGUMENTS = [
    Argument("render", type=bool, default=False, help="show a window (render() works without)"),
    Argument("horizon", type=int, default=150, help="length after which an episode is truncated", unit="steps"),
    Argument("done_on_success", type=bool, default=True, help="end an episode when the task is solved"),
    Argument("use_dense_reward", type=bool, default=False, help="minus the way that is left, instead of 1 for success"),
    Argument("time_step", type=float, default=0.02, help="time after which motors are told anew", unit="s"),
    Argument("skip_n_frames_every_step", type=int, default=5, help="time steps in a step"),
    Argument("control_mode", type=str, default="pose", choices=MODES, help="what the action says: of the hand, or of the joints"),
    Argument("max_speed", type=float, default=0.4, help="largest speed of the hand along each axis", unit="m/s"),
    Argument("max_turn_speed", type=float, default=1.5, help="largest change of each of its angles", unit="rad/s"),
    Argument("default_teleop_speed", type=float, default=0.2, help="speed at which a person moves the hand", unit="m/s"),
    Argument("default_teleop_turn_speed", type=float, default=1.0, help="and turns it", unit="rad/s"),
    Argument("do_random_ee_position", type=bool, default=False, help="draw where the hand starts"),
    Argument("num_blocks", type=int, default=1, help="objects"),
    Argument("object_size_lower", type=list, default=[0.025, 0.025, 0.025], element_type=float, help="least size of objects", unit="m"),
    Argument("object_size_upper", type=list, default=[0.055, 0.055, 0.055], element_type=float, help="largest size", unit="m"),
    Argument("object_mass_bounds", type=list, default=[0.05, 0.15], element_type=float, help="least and largest mass", unit="kg"),
    Argument("object_start_bounds", type=float, default=0.7, help="part of the table, from its middle, on which objects start"),
    Argument("object_rotation_bounds", type=float, default=math.pi / 4, help="largest turn of a start about z, either way", unit="rad"),
    Argument("object_friction_coef", type=float, default=2.0, help="friction of objects; those of two bodies are multiplied"),
    Argument("table_friction_coef", type=float, default=0.4, help="friction of the table"),
    Argument("object_offsets", type=bool, default=False, help="observe where objects are from the fingers, and goals from objects"),
    Argument("imgs", type=bool, default=False, help="observe 'image'"),
    Argument("ego_imgs", type=bool, default=False, help="observe 'ego_image', from the wrist"),
    Argument("img_width", type=int, default=84, help="width of observed pictures", unit="px"),
    Argument("img_height", type=int, default=84, help="height of observed pictures", unit="px"),
    Argument("render_size", type=int, default=256, help="width and height of what render() and the window show", unit="px"),
]  # fmt: skip


def check_options(options: Any, where: str) -> None:
    """Raises `EnvError` for options, attributes of `options`, that make no world."""
    for name in ("horizon", "skip_n_frames_every_step", "img_width", "img_height", "render_size"):
        if getattr(options, name) < 1:
            raise EnvError(f"{where}: {name}", str(getattr(options, name)), "at least 1")
    for name in ("max_speed", "max_turn_speed", "default_teleop_speed", "default_teleop_turn_speed"):
        if not getattr(options, name) > 0:
            raise EnvError(f"{where}: {name}", str(getattr(options, name)), "more than 0")
    # Inner steps much longer than 1/240 s let things sink into each other.
    if not 0 < options.time_step <= 0.025:
        raise EnvError(f"{where}: time_step", str(options.time_step), "more than 0, up to 0.025 s")
    for name in ("num_blocks", "object_friction_coef", "table_friction_coef", "object_rotation_bounds"):
        if not getattr(options, name) >= 0:
            raise EnvError(f"{where}: {name}", str(getattr(options, name)), "at least 0")
    if not 0 <= options.object_start_bounds <= 1:
        raise EnvError(f"{where}: object_start_bounds", str(options.object_start_bounds), "from 0 to 1")
    _check_bounds(options.object_size_lower, options.object_size_upper, 3, f"{where}: object_size_lower, object_size_upper")
    low, high = options.object_mass_bounds[:1], options.object_mass_bounds[1:]
    _check_bounds(low, high, 1, f"{where}: object_mass_bounds")


def read_limits(options: Mapping[str, Any], low: Sequence[float], high: Sequence[float]) -> Limits:
    """Returns how the arm may move; `low` and `high` are corners of the box of its hand `(3,)` [m]."""
    return Limits(low, high, speed=options["max_speed"], turn_speed=options["max_turn_speed"])


def read_physics(options: Mapping[str, Any], limits: Limits) -> Physics:
    """Returns what stays the same from episode to episode."""
    return Physics(
        time_step=options["time_step"],
        repeats=options["skip_n_frames_every_step"],
        control_mode=options["control_mode"],
        limits=limits,
        object_surface=Surface(options["object_friction_coef"], spinning=0.005),
    )


def _check_bounds(low: Sequence[float], high: Sequence[float], count: int, where: str) -> None:
    if not (len(low) == len(high) == count and all(0 < a <= b for a, b in zip(low, high, strict=True))):
        raise EnvError(where, f"{list(low)}, {list(high)}", f"{count} of each, more than 0, the first not above the second")
