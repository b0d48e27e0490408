"""A window that shows pictures, through pygame."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from muse.utils.optional import hush_pygame, require


class Window:
    """Shows one picture after another; opens at the first, at that one's size. Until then nothing is imported.

    Args:
        title: In its bar.
        fps: Pictures a second at most; 0: as fast as they come.
    """

    def __init__(self, title: str, fps: int = 30) -> None:
        self._title, self._fps = title, fps
        self._pygame: Any = None
        self._screen: Any = None
        self._clock: Any = None

    def show(self, picture: np.ndarray) -> None:
        """Shows `picture` `(Y, X, 3)` uint8 and keeps the window alive.

        Raises:
            MissingExtraError: Where pygame is not installed.
        """
        if self._pygame is None:
            hush_pygame()
            # SDL would draw through OpenGL, which ends the process where a simulator draws in software (OSMesa).
            os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
            self._pygame = require("pygame", "window", "render=True")
            self._clock = self._pygame.time.Clock()
        pygame = self._pygame
        size = (picture.shape[1], picture.shape[0])
        if self._screen is None or self._screen.get_size() != size:
            pygame.display.init()
            self._screen = pygame.display.set_mode(size)
            pygame.display.set_caption(self._title)
        pygame.event.pump()
        self._screen.blit(pygame.surfarray.make_surface(picture.swapaxes(0, 1)), (0, 0))
        pygame.display.flip()
        if self._fps:
            self._clock.tick(self._fps)

    def close(self) -> None:
        """Closes the window. May be called twice."""
        if self._screen is not None:
            self._pygame.display.quit()
            self._screen = None
