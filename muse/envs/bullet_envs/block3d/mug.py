"""A mug, made of boxes around a bottom, with a handle."""

from __future__ import annotations

import math

from muse.envs.bullet_envs.bodies import Colour, Part

#: Thickness of wall and bottom, and how far the handle stands out [m].
WALL, HANDLE = 0.005, 0.026
_SIDES = 10
_HANDLE_WIDTH = 0.01


def make_mug(diameter: float, height: float, colour: Colour) -> list[Part]:
    """Returns the parts of a mug whose handle points along x, around its middle; the handle stands out of the diameter [m]."""
    radius = (diameter - WALL) / 2
    # Boxes as wide as the side of the polygon that lies around.
    width = 2 * (radius + WALL / 2) * math.tan(math.pi / _SIDES)
    dark: Colour = (0.75 * colour[0], 0.75 * colour[1], 0.75 * colour[2], 1.0)
    turns = [2 * math.pi * i / _SIDES for i in range(_SIDES)]
    # The bottom alone stands on the table: contacts take time.
    rise = WALL / 2
    walls = [
        Part((WALL, width, height - rise), (radius * math.cos(turn), radius * math.sin(turn), rise / 2), (0.0, 0.0, turn), colour)
        for turn in turns
    ]
    bottom = Part((diameter, diameter, WALL), (0.0, 0.0, (WALL - height) / 2), colour=dark, kind="cylinder")
    return [*walls, bottom, *_handle(diameter, height, dark)]


def outline_mug(diameter: float, height: float, colour: Colour) -> list[Part]:
    """Returns the same as few parts."""
    return [Part((diameter, diameter, height), colour=colour, kind="cylinder"), *_handle(diameter, height, colour)[:1]]


def _handle(diameter: float, height: float, colour: Colour) -> list[Part]:
    thick, tall = 0.6 * _HANDLE_WIDTH, 0.6 * height
    grip = Part((thick, _HANDLE_WIDTH, tall), (diameter / 2 + HANDLE - thick / 2, 0.0, 0.0), colour=colour)
    bars = [
        Part((HANDLE, _HANDLE_WIDTH, thick), ((diameter + HANDLE) / 2 - thick / 2, 0.0, side * (tall - thick) / 2), colour=colour)
        for side in (-1, 1)
    ]
    return [grip, *bars]
