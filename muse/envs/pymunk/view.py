"""The picture of a world of blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from muse.envs.pymunk.scene import WALL_RADIUS, Line, Physics, Polygon, State, box_polygon
from muse.envs.simple.canvas import Canvas, Colour

_EDGE = (90, 96, 108)
_PAPER = (250, 248, 243)
_WALL = (97, 108, 124)
_SHADE = (60, 60, 60)
_EGO = (206, 52, 52)
_DARK = (58, 30, 30)
_WHITE = (255, 255, 255)
#: Of a place that the ego is to reach.
GOAL: Colour = (44, 153, 84)
#: Colours of blocks, and of their goals, one after another.
BLOCKS: tuple[Colour, ...] = ((37, 99, 178), (224, 140, 38), (122, 82, 168), (30, 150, 150), (196, 80, 140), (120, 110, 40))
_MARGIN = 0.03


class BlockView:
    """Draws ego (red), blocks (in the order of `BLOCKS`), walls (grey) and goals, to scale.

    A world that is not square lies at the bottom left of a square picture.

    Args:
        physics: Sizes of the world.
    """

    def __init__(self, physics: Physics) -> None:
        self.scale = 1 / max(physics.grid_size)
        self._physics = physics
        self._walls: Sequence[Line] = ()
        self._outlines: Sequence[Sequence[Polygon]] = ()
        self._draw_goals: Callable[[BlockView, Canvas], None] = lambda view, canvas: None
        self._backgrounds: dict[tuple[int, int], Canvas] = {}

    def start(
        self, walls: Sequence[Line], outlines: Sequence[Sequence[Polygon]], draw_goals: Callable[[BlockView, Canvas], None]
    ) -> None:
        """Begins an episode.

        Args:
            walls: Inside the world [px].
            outlines: For each block, the polygons that it is drawn as.
            draw_goals: `fn(view, canvas)` that draws what lies below everything else and does not move.
        """
        self._walls, self._outlines, self._draw_goals = walls, outlines, draw_goals
        self._backgrounds.clear()

    def draw(self, height: int, width: int, state: State) -> np.ndarray:
        """Returns the picture, `(Y, X, 3)` uint8."""
        canvas = self._background(height, width).copy()
        for i, parts in enumerate(self._outlines):
            self.draw_block(canvas, parts, state.block_positions[i], state.block_angles[i], BLOCKS[i % len(BLOCKS)])
        ego = box_polygon(self._physics.ego_size, self._physics.ego_size)
        place = np.asarray(state.position)
        self._fill(canvas, ego + place, _DARK)
        self._fill(canvas, 0.86 * ego + place, _EGO)
        for i, held in enumerate(state.held):
            if held:
                line = [self.scale * np.asarray(end) for end in (state.position, state.block_positions[i])]
                canvas.stroke(*line, 0.006, _WHITE, 0.9)
                for end in line:
                    canvas.disc(*end, 0.011, _WHITE)
        return canvas.to_image()

    def place_at(self, right: float, up: float) -> tuple[float, float]:
        """Returns the place in the world [px] of a point of the picture, given in fractions from its bottom left."""
        return ((1 + 2 * _MARGIN) * right - _MARGIN) / self.scale, ((1 + 2 * _MARGIN) * up - _MARGIN) / self.scale

    def draw_block(
        self, canvas: Canvas, parts: Sequence[Polygon], position: Sequence[float], angle: float, colour: Colour
    ) -> None:
        """Draws a block with a darker edge."""
        dark: Colour = (colour[0] * 3 // 5, colour[1] * 3 // 5, colour[2] * 3 // 5)
        polygons = [turned(part, position, angle) for part in parts]
        for polygon in polygons:
            self._fill(canvas, polygon, dark)
        for polygon in polygons:
            canvas.polygon(polygon * self.scale, colour, radius=-0.005)

    def draw_goal_pose(
        self, canvas: Canvas, parts: Sequence[Polygon], position: Sequence[float], angle: float, colour: Colour
    ) -> None:
        """Draws where a block is to be: its outline in its colour, paler inside."""
        pale = tuple(255 - (255 - part) * 2 // 5 for part in colour)
        polygons = [turned(part, position, angle) for part in parts]
        for polygon in polygons:
            canvas.polygon(polygon * self.scale, colour, radius=0.004)
        for polygon in polygons:
            canvas.polygon(polygon * self.scale, (pale[0], pale[1], pale[2]), radius=-0.005)

    def draw_goal_point(self, canvas: Canvas, position: Sequence[float], radius: float, colour: Colour = GOAL) -> None:
        """Draws a place to reach: a disc of `radius` [px] with a darker edge."""
        x, y = self.scale * position[0], self.scale * position[1]
        canvas.disc(x, y, self.scale * radius, colour, 0.25)
        canvas.ring(x, y, self.scale * radius, 0.008, colour)

    def _background(self, height: int, width: int) -> Canvas:
        if (height, width) not in self._backgrounds:
            canvas = Canvas(height, width, _EDGE, _MARGIN)
            canvas.rectangle(0, 0, self._physics.grid_size[0] * self.scale, self._physics.grid_size[1] * self.scale, _PAPER)
            self._draw_goals(self, canvas)
            for begin, end in self._walls:
                canvas.stroke(self.scale * np.asarray(begin), self.scale * np.asarray(end), self.scale * WALL_RADIUS, _WALL)
            self._backgrounds[height, width] = canvas
        return self._backgrounds[height, width]

    def _fill(self, canvas: Canvas, polygon: Polygon, colour: Colour) -> None:
        canvas.polygon(polygon * self.scale, colour, radius=self.scale * self._physics.corner_radius)


def turned(polygon: Polygon, position: Sequence[float], angle: float) -> Polygon:
    """Returns a block's polygon where the block is."""
    cos, sin = math.cos(angle), math.sin(angle)
    return polygon @ np.array([[cos, sin], [-sin, cos]]) + np.asarray(position)
