"""The contract of panels, by which a person sees a session and speaks to it. The loop that calls it (`muse.interactive.session`):

panel.open()
while ...:
    said = panel.poll()             # never waits
    device.read()                   # may look at panel.keys
    panel.show(view)
panel.close()
"""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import ClassVar, NamedTuple

from muse.interactive.commands import KEYS
from muse.interactive.view import View
from muse.teleop.keys import Keys, KeySource
from muse.utils.errors import MuseError


class PanelError(MuseError):
    """A panel that cannot be shown here."""


class Said(NamedTuple):
    """What a person said since the moment before.

    Attributes:
        commands: Of `muse.interactive.commands.COMMANDS`, in their order.
        note: A note that was finished; None: none was.
        is_typing: Whether one is being written: then keys are letters, and nothing moves.
    """

    commands: tuple[str, ...] = ()
    note: str | None = None
    is_typing: bool = False


class Panel(KeySource):
    """Shows a session and takes commands.

    A key that stands in `muse.interactive.commands.KEYS` is a command; all keys are in `keys`, where a device finds its own.
    """

    #: Whether it has keys that a device may read.
    has_keys: ClassVar[bool] = True

    def open(self) -> None:
        """Appears.

        Raises:
            PanelError: Where it cannot.
        """

    @abstractmethod
    def poll(self) -> Said:
        """Returns what was said, and sets `keys`."""

    @abstractmethod
    def show(self, view: View) -> None:
        """Shows a moment."""

    def close(self) -> None:
        """Disappears. May be called twice."""


class NoPanel(Panel):
    """Shows nothing: for devices with buttons of their own, and recordings."""

    has_keys = False

    def poll(self) -> Said:
        """Returns nothing."""
        return Said()

    def show(self, view: View) -> None:
        """Shows nothing."""


class NoteWriter:
    """Takes a note letter by letter. A panel with keys hands it every key while one is being written."""

    def __init__(self) -> None:
        self.text: str | None = None

    def begin(self) -> None:
        """Begins a note."""
        self.text = ""

    def take(self, key: str, letter: str) -> str | None:
        """Takes a key, and the letter that it writes; returns the note when it is finished. `escape` drops it."""
        if self.text is None:
            return None
        if key == "return":
            done, self.text = self.text.strip(), None
            return done
        if key == "escape":
            self.text = None
        elif key == "backspace":
            self.text = self.text[:-1]
        elif letter.isprintable():
            self.text += letter
        return None


class KeyPanel(Panel):
    """What panels with keys have in common: commands, and notes. A subclass calls `press` for each key that goes down."""

    def __init__(self) -> None:
        self._note = NoteWriter()
        self._commands: list[str] = []
        self._pressed: list[str] = []
        self._finished: str | None = None

    def press(self, key: str, letter: str = "") -> None:
        """Takes a key that went down, and the letter that it writes."""
        if self._note.text is not None:
            done = self._note.take(key, letter)
            self._finished = done if done is not None else self._finished
            return
        self._pressed.append(key)
        command = KEYS.get(key)
        if command == "note":
            self._note.begin()
        elif command is not None:
            self._commands.append(command)

    def finish(self, keys: Keys) -> Said:
        """Sets `keys`, with what was pressed, and returns what was said; for the end of `poll`."""
        is_typing = self._note.text is not None
        self.keys = Keys() if is_typing else keys._replace(pressed=tuple(self._pressed))
        said = Said(tuple(self._commands), self._finished, is_typing)
        self._commands, self._pressed, self._finished = [], [], None
        return said

    @property
    def written(self) -> str | None:
        """The note as far as it is written; None where none is."""
        return self._note.text


def has_display() -> bool:
    """Whether a window could appear: on Linux by what the environment says, elsewhere always."""
    if os.name == "nt" or os.uname().sysname == "Darwin":
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")) or os.environ.get("SDL_VIDEODRIVER") == "dummy"
