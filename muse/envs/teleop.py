"""What a person's hands say to an env. The loop that drives one by hand:

given = device.read()
obs, goal, done = env.step(env.get_teleop_action(given))

The env knows what a direction means for its action, the device knows its keys, and neither knows the other. What a person says to the
loop (keep this episode, start anew) is not the env's business.
"""

from __future__ import annotations

from typing import NamedTuple

#: What an env may listen to (`Env.teleop_inputs`): the parts of `twist` in their order, `grip` and `pointer`.
TELEOP_INPUTS = ("x", "y", "z", "roll", "pitch", "yaw", "grip", "pointer")


class TeleopInput(NamedTuple):
    """What a device reads at one moment, be it keys, a mouse, a gamepad or a mouse with six axes.

    Attributes:
        twist: Along x, y and z, then about them, `(6,)`, each from -1 to 1: the part of the speed at which the env lets itself be
            driven. In a flat world x is to the right of its picture and y up.
        grip: From 0, open, to 1, closed.
        pointer: A place in the picture of `render()` to go to, to the right and up from its bottom left, each from 0 to 1; None where
            nothing is pointed at. It counts more than `twist`.
    """

    twist: tuple[float, float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    grip: float = 0.0
    pointer: tuple[float, float] | None = None


def towards(way: tuple[float, float], gain: float, speed: float) -> tuple[float, float]:
    """Returns a velocity in proportion to the way that is left, with its larger part at most `speed`: the way stays straight.

    Args:
        way: That is left.
        gain: Velocity for each unit of way.
        speed: Its limit along each axis.
    """
    x, y = gain * way[0], gain * way[1]
    shrink = min(1.0, speed / max(abs(x), abs(y), 1e-9))
    return shrink * x, shrink * y
