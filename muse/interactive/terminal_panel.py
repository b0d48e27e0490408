"""A session in a terminal, over SSH too."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable

import numpy as np

from muse.interactive.panel import KeyPanel, PanelError, Said
from muse.interactive.view import View, message_lines, wrap
from muse.teleop.keys import Keys
from muse.utils.errors import OptionError
from muse.utils.terminal_keys import TerminalKeys

#: What a terminal sends for keys that are no letters.
_SEQUENCES = {
    "\x1b[A": "up", "\x1b[B": "down", "\x1b[C": "right", "\x1b[D": "left", "\x1bOA": "up", "\x1bOB": "down", "\x1bOC": "right",
    "\x1bOD": "left",
}  # fmt: skip
_CONTROLS = {
    "\t": "tab",
    "\r": "return",
    "\n": "return",
    " ": "space",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x1b": "escape",
}
#: Columns and lines of a picture at most.
_COLUMNS, _LINES = 100, 30
_HOME, _CLEAR, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[2J", "\x1b[K", "\x1b[J"
_HIDE, _SHOW, _PLAIN, _REVERSE = "\x1b[?25l", "\x1b[?25h", "\x1b[0m", "\x1b[7m"


class TerminalPanel(KeyPanel):
    """Reads the keys of a terminal, and draws state and a coarse picture into it.

    A terminal tells when a key is pressed and repeated, and not when it is let go: a key counts as held until it has not been
    repeated for `hold` seconds.

    Args:
        hold: See above [s].
        clock: Returns seconds.
    """

    def __init__(self, hold: float = 0.3, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.hold = hold
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._keys: TerminalKeys | None = None

    def open(self) -> None:
        """See `Panel.open`."""
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise PanelError("the terminal", "standard input or output is no terminal", "a terminal", "ssh -t; --panel window")
        self._keys = TerminalKeys().__enter__()
        self._write(_CLEAR + _HIDE)

    def poll(self) -> Said:
        """See `Panel.poll`."""
        assert self._keys is not None, "open comes before poll"
        text = ""
        try:
            while sent := self._keys.read():
                text += sent
        except (OptionError, OSError):  # Whoever was at the terminal has gone.
            self._commands.append("close")
        now = self._clock()
        for key, letter in split_keys(text):
            is_repeat = now - self._seen.get(key, -np.inf) < self.hold
            if self.written is not None or not is_repeat:
                self.press(key, letter)
            self._seen[key] = now
        held = frozenset(key for key, seen in self._seen.items() if now - seen < self.hold)
        return self.finish(Keys(held))

    def show(self, view: View) -> None:
        """See `Panel.show`."""
        size = shutil.get_terminal_size()
        message = view.message if self.written is None else f"note: {self.written}_   (return: done, escape: no note)"
        lines = [f"{_REVERSE} {view.headline()} {_PLAIN}", view.status(), f"note: {view.note}" if view.note else ""]
        lines += message_lines(message, size.columns)
        lines += wrap(view.help, size.columns)
        lines = [line[: size.columns + len(_REVERSE) + len(_PLAIN)] for line in lines]
        room = size.lines - len(lines) - 1
        if len(view.pictures) and room >= 4:
            lines += picture_lines(view.pictures[0], min(size.columns, _COLUMNS), min(room, _LINES))
        self._write(_HOME + "\r\n".join(line + _END_OF_LINE for line in lines) + _BELOW)

    def close(self) -> None:
        """See `Panel.close`."""
        if self._keys is not None:
            self._keys.__exit__()
            self._write(_PLAIN + _SHOW + "\r\n")
        self._keys = None

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def split_keys(text: str) -> list[tuple[str, str]]:
    """Returns the keys of what a terminal sent, as pygame calls them, each with the letter that it writes."""
    keys: list[tuple[str, str]] = []
    while text:
        sequence = next((one for one in _SEQUENCES if text.startswith(one)), None)
        if sequence is not None:
            keys.append((_SEQUENCES[sequence], ""))
            text = text[len(sequence) :]
            continue
        letter, text = text[0], text[1:]
        if letter in _CONTROLS:
            keys.append((_CONTROLS[letter], " " if letter == " " else ""))
        elif letter.isprintable():
            keys.append((letter.lower(), letter))
    return keys


def picture_lines(picture: np.ndarray, columns: int, lines: int) -> list[str]:
    """Returns a picture `(Y, X, 3)` uint8 as lines of coloured half blocks: two pixels above one another in each letter."""
    height, width, _ = picture.shape
    scale = max(width / columns, height / (2 * lines))
    across, down = max(1, int(width / scale)), max(1, int(height / scale / 2))
    rows = ((np.arange(2 * down) + 0.5) * height / (2 * down)).astype(int)
    small = picture[rows][:, ((np.arange(across) + 0.5) * width / across).astype(int)]
    text = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        line, before = "", None
        for (r, g, b), (x, y, z) in zip(upper.tolist(), lower.tolist(), strict=True):
            colors = f"\x1b[38;2;{r};{g};{b};48;2;{x};{y};{z}m"
            line += (colors if colors != before else "") + "\u2580"
            before = colors
        text.append(line + _PLAIN)
    return text
