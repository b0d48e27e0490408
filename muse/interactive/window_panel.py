"""A session in a window, through pygame."""

from __future__ import annotations

from typing import Any

import numpy as np

from muse.interactive.panel import KeyPanel, PanelError, Said, has_display
from muse.interactive.view import Place, View, compose
from muse.teleop.keys import Keys
from muse.utils.errors import brief
from muse.utils.optional import hush_pygame, require


class WindowPanel(KeyPanel):
    """Shows pictures, state and keys in a window, and reads keys and mouse there.

    A window that is not in front hears no keys, and those that were down count as let go.

    Args:
        title: In the window's bar.
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self._pygame: Any = None
        self._screen: Any = None
        self._held: set[str] = set()
        self._buttons: set[int] = set()
        self._begins_note = False  # The key that went down last does, and its letter is not of the note.
        self._place: Place | None = None

    def check_display(self) -> None:
        """Raises `PanelError` where there is no display, so that it is said before anything is built."""
        if not has_display():
            hint = "--panel terminal, whose keys work over SSH, too"
            raise PanelError("the window", "no display (neither DISPLAY nor WAYLAND_DISPLAY is set)", "a screen", hint)

    def open(self) -> None:
        """See `Panel.open`."""
        self.check_display()
        hush_pygame()
        pygame = self._pygame = require("pygame", "window", "the window of an interactive session")
        try:
            pygame.display.init()
        except pygame.error as error:
            raise PanelError("the window", brief(error), "a display that can be opened", "--panel terminal") from error
        pygame.key.set_repeat(400, 40)

    def poll(self) -> Said:
        """See `Panel.poll`."""
        pygame = self._pygame
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                self._commands.append("close")
            elif event.type == pygame.KEYDOWN:
                key = pygame.key.name(event.key)
                # A key that is held repeats, which is for notes alone; their letters come by themselves, accents and all.
                was_writing = self.written is not None
                if was_writing or key not in self._held:
                    self.press(key)
                self._begins_note = self.written is not None and not was_writing
                self._held.add(key)
            elif event.type == pygame.TEXTINPUT:
                if self.written is not None and not self._begins_note:
                    self.press("", event.text)
                self._begins_note = False
            elif event.type == pygame.KEYUP:
                self._held.discard(pygame.key.name(event.key))
            elif event.type == pygame.MOUSEBUTTONDOWN:
                self._buttons.add(event.button)
            elif event.type == pygame.MOUSEBUTTONUP:
                self._buttons.discard(event.button)
            elif event.type == pygame.WINDOWFOCUSLOST:
                self._held.clear()
                self._buttons.clear()
        pointer = self._point(*pygame.mouse.get_pos()) if 1 in self._buttons and self._screen is not None else None
        return self.finish(Keys(frozenset(self._held), (), pointer, 3 in self._buttons))

    def show(self, view: View) -> None:
        """See `Panel.show`."""
        if self.written is not None:
            view.message = f"note: {self.written}_   (return: done, escape: no note)"
        frame, place = compose(view)
        self._place = place if view.has_pointer else None
        self._draw(frame)

    def close(self) -> None:
        """See `Panel.close`."""
        if self._pygame is not None:
            self._pygame.display.quit()
        self._screen = None

    def _draw(self, frame: np.ndarray) -> None:
        pygame = self._pygame
        size = (frame.shape[1], frame.shape[0])
        if self._screen is None or self._screen.get_size() != size:
            self._screen = pygame.display.set_mode(size)
            pygame.display.set_caption(self.title)
        self._screen.blit(pygame.surfarray.make_surface(frame.swapaxes(0, 1)), (0, 0))
        pygame.display.flip()

    def _point(self, x: int, y: int) -> tuple[float, float] | None:
        """Returns where in the env's picture a place of the window is; None where it is outside."""
        if self._place is None:
            return None
        left, top, width, height = self._place
        across, up = (x + 0.5 - left) / width, 1 - (y + 0.5 - top) / height
        return (across, up) if 0 <= across <= 1 and 0 <= up <= 1 else None
