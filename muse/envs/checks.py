"""What every environment checks of what it is given, so that the messages are the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from muse.envs.env import EnvError
from muse.envs.teleop import TeleopInput
from muse.specs import EnvSpec
from muse.utils.attrdicts import Batch, flatten, has
from muse.utils.errors import nearest


def read_action(env_spec: EnvSpec, action: Batch, where: str) -> dict[str, np.ndarray]:
    """Returns the spec's actions from `action`, without the batch dimension, as a flat dict.

    Integers given as floats are rounded; nothing is clipped.

    Args:
        action: Leaves `(1, *shape)`.
        where: What to name in the message (`"PointMassEnv.step"`).

    Raises:
        EnvError: When a name is missing, has another shape, is no numbers, or not finite in the spec's type.
    """
    read = {}
    for name in env_spec.action_names:
        leaf = env_spec.leaf(name)
        if not has(action, name):
            raise EnvError(
                f"{where}: '{name}'",
                "missing",
                f"an array of shape {(1, *leaf.shape)}",
                f"give one of: {', '.join(env_spec.action_names)}",
            )
        value = np.asarray(action[name])
        if value.shape != (1, *leaf.shape):
            raise EnvError(f"{where}: '{name}'", f"shape {value.shape}", f"shape {(1, *leaf.shape)}")
        if value.dtype != leaf.dtype and value.dtype.kind not in "biuf":
            raise EnvError(f"{where}: '{name}'", f"type {value.dtype}", f"type {leaf.dtype}")
        given = value
        if value.dtype.kind == "f" and leaf.dtype.kind in "iub":
            if not _is_finite(value):
                raise EnvError(f"{where}: '{name}'", f"not finite: {given[0].tolist()}", "finite numbers")
            value = np.rint(value)
        if value.dtype != leaf.dtype:
            with np.errstate(over="ignore"):  # What is too large for the type is infinite in it.
                value = value.astype(leaf.dtype)
        if value.dtype.kind == "f" and not _is_finite(value):
            raise EnvError(f"{where}: '{name}'", f"not finite: {given[0].tolist()}", "finite numbers")
        read[name] = value[0]
    return read


def _is_finite(value: np.ndarray) -> bool:
    # Of the few numbers of an action Python knows sooner than numpy.
    return all(map(math.isfinite, value.ravel().tolist())) if value.size <= 32 else bool(np.isfinite(value).all())


def read_presets(presets: Mapping[str, Any] | None, allowed: Iterable[str], where: str) -> dict[str, Any]:
    """Returns `presets` as a flat dict.

    Raises:
        EnvError: For a name that is not in `allowed`.
    """
    flat = flatten(presets) if presets else {}
    allowed = list(allowed)
    for name in flat:
        if name not in allowed:
            raise EnvError(
                where, f"no preset '{name}'{nearest(name, allowed)}", "one of " + ", ".join(allowed) if allowed else "no presets"
            )
    return flat


def read_start(presets: Mapping[str, Any] | None, allowed: Iterable[str], env_spec: EnvSpec, where: str) -> dict[str, np.ndarray]:
    """Returns `presets` as a flat dict of arrays in their leaves' types.

    Args:
        presets: As `Env.reset` takes them.
        allowed: Names that may be given.
        env_spec: With their leaves.
        where: What to name in the message.

    Raises:
        EnvError: For an unknown name, a wrong shape, or what is not finite or outside its limits.
    """
    given = {}
    for name, value in read_presets(presets, allowed, where).items():
        leaf, array = env_spec.leaf(name), np.asarray(value)
        if array.shape != leaf.shape:
            raise EnvError(f"{where}: '{name}'", f"shape {array.shape}", f"shape {leaf.shape}")
        # Rounded before it is compared: what float32 makes of a limit counts as within it.
        array = array.astype(leaf.dtype)
        low, high = leaf.low.astype(leaf.dtype), leaf.high.astype(leaf.dtype)
        if not (np.isfinite(array).all() and np.all((array >= low) & (array <= high))):
            limits = f"finite, within [{leaf.low.min():g}, {leaf.high.max():g}]"
            raise EnvError(f"{where}: '{name}'", f"{array.tolist()}", limits)
        given[name] = array
    return given


def check_running(running: bool, where: str) -> None:
    """Raises `EnvError` when an env is stepped before its first reset or after the end of its episode."""
    if not running:
        raise EnvError(where, "no episode is running", "a reset before the first step and after 'done'")


def read_teleop(given: TeleopInput, where: str) -> TeleopInput:
    """Returns what a person's device says with every number within its limits.

    Raises:
        EnvError: For a twist that has not six parts, or a number that is not finite.
    """
    if len(given.twist) != 6 or (given.pointer is not None and len(given.pointer) != 2):
        raise EnvError(where, f"twist {given.twist}, pointer {given.pointer}", "six numbers, and two or None")
    if not all(math.isfinite(value) for value in (*given.twist, given.grip, *(given.pointer or ()))):
        raise EnvError(where, f"not finite: {given}", "finite numbers")
    twist = tuple(min(1.0, max(-1.0, float(value))) for value in given.twist)
    pointer = None if given.pointer is None else tuple(min(1.0, max(0.0, float(value))) for value in given.pointer)
    return TeleopInput(twist, min(1.0, max(0.0, float(given.grip))), pointer)
