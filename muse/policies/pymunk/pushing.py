"""What an upright box does to a block that it pushes by its sides, where nothing slides on and there is no friction.

Everything is seen from the block's centre of mass, along the axes of the world.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Way between the places of one side, and between these and its ends [px].
_SPACING, _END = 8.0, 3.0
#: Angle between the sides of box and block up to which they meet flat [rad].
_FLAT = 0.02
#: How much of its side a box that is there must meet [px].
_TOUCH = 1.0


class Places(NamedTuple):
    """Where a box can push, `P` places.

    Attributes:
        boxes: Middle of the box when it touches `(P, 2)` [px].
        contacts: Where it pushes `(P, 2)` [px].
        forces: Direction in which it pushes `(P, 2)`, of length 1.
        gaps: Way that the box still has to go, straight on, where it stands before the place already; else infinite `(P,)` [px].
    """

    boxes: np.ndarray
    contacts: np.ndarray
    forces: np.ndarray
    gaps: np.ndarray

    @property
    def levers(self) -> np.ndarray:
        """By how much the force passes the centre of mass `(P,)` [px]; positive where it turns the block counterclockwise."""
        return self.contacts[:, 0] * self.forces[:, 1] - self.contacts[:, 1] * self.forces[:, 0]

    def take(self, which: np.ndarray) -> Places:
        """Returns some of the places."""
        return Places(*(column[which] for column in self))


def find_places(box: np.ndarray, size: float, outline: np.ndarray, near: float) -> Places:
    """Returns places along all sides of a block, and those before which the box stands.

    A side is touched by a corner of the box; where the two are parallel, by a side of it, of which the point counts that is nearest
    to the centre of mass: if the force passes it there, the block does not turn.

    Args:
        box: Middle of the box `(2,)` [px].
        size: Its side [px].
        outline: Corners of the block `(k, 2)` [px], counterclockwise.
        near: Gap up to which the box stands before a side [px].
    """
    found, half = [], size / 2
    for begin, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        length = float(np.linalg.norm(end - begin))
        along = (end - begin) / length
        force = np.array([-along[1], along[0]])
        # Of the box, how far it reaches towards the side, and where along the side its foremost point is.
        reach, corner = half * np.abs(force).sum(), half * float(np.sign(force) @ along)
        level = min(max(float(-begin @ along), 0.0), length)  # next to the centre of mass
        contacts = np.linspace(_END, length - _END, max(2, round((length - 2 * _END) / _SPACING) + 1))
        own, gap = float((box - begin) @ along), float((begin - box) @ force) - reach
        if np.abs(force).min() < _FLAT:
            contacts = np.append(contacts, level)
            middles = contacts + half * np.sign(contacts - level)
            touched = (own - half, own + half)
        else:
            middles = contacts - corner
            touched = (own + corner, own + corner)
        gaps = np.full(len(contacts), np.inf)
        if -near < gap < near and touched[1] > _TOUCH and touched[0] < length - _TOUCH:
            contact = min(max(level, touched[0], 0.0), touched[1], length)
            contacts, middles, gaps = np.append(contacts, contact), np.append(middles, own), np.append(gaps, gap)
        boxes = begin + middles[:, None] * along - reach * force
        found.append((boxes, begin + contacts[:, None] * along, np.broadcast_to(force, boxes.shape), gaps))
    return Places(*(np.concatenate(column) for column in zip(*found, strict=True)))


def push(places: Places, radius: float, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns what pushes do to a block.

    It moves along the force, and turns by the lever over the square of the radius of gyration; as the place stays the same, it goes
    along an arc.

    Args:
        places: Where it is pushed.
        radius: Of gyration [px].
        lengths: How far each place is pushed `(L,)` [px].

    Returns:
        Ways `(P, L, 2)` [px] and turns `(P, L)` [rad].
    """
    levers = places.levers[:, None] / radius
    straight = lengths / (1 + levers**2)
    turns = straight * levers / radius
    chords = straight * np.sinc(turns / (2 * np.pi))
    cos, sin = np.cos(turns / 2), np.sin(turns / 2)
    x, y = places.forces[:, :1], places.forces[:, 1:]
    return np.stack([chords * (cos * x - sin * y), chords * (sin * x + cos * y)], axis=-1), turns
