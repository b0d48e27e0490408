"""A session in a terminal, over SSH too."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
import time
import unicodedata
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
#: A whole sequence, also of a key that nothing is done with (Delete, F1, an arrow with shift); and the beginning of one.
_WHOLE = re.compile(r"\x1b(?:\[\[?[0-?]*[ -/]*[@-~]|O[@-~])")
_BEGUN = re.compile(r"\x1b(?:\[\[?[0-?]*[ -/]*|O)?\Z")
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
    repeated for `hold` seconds. The first repeat of a key that is held comes later than that: what comes again within
    `first_repeat` is no second press.

    Args:
        hold, first_repeat: See above [s].
        clock: Returns seconds.
    """

    def __init__(self, hold: float = 0.3, first_repeat: float = 0.7, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.hold, self.first_repeat = hold, first_repeat
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._keys: TerminalKeys | None = None
        self._repeating: set[str] = set()
        self._rest = ""

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
        self._take(text)
        now = self._clock()
        held = frozenset(key for key, seen in self._seen.items() if now - seen < self.hold)
        return self.finish(Keys(held))

    def show(self, view: View) -> None:
        """See `Panel.show`."""
        size = shutil.get_terminal_size()
        message = view.message if self.written is None else f"note: {self.written}_   (return: done, escape: no note)"
        lines = [f" {view.headline()} ", view.status(), f"note: {view.note}" if view.note else ""]
        lines += message_lines(message, size.columns)
        lines += wrap(view.help, size.columns)
        # A line too many or too long would scroll the first one away.
        lines = [fit(line, size.columns) for line in lines[: size.lines]]
        lines[0] = _REVERSE + lines[0] + _PLAIN
        room = size.lines - len(lines) - 1
        if len(view.pictures) and room >= 4:
            lines += picture_lines(view.pictures[0], min(size.columns, _COLUMNS), min(room, _LINES))
        self._write(_HOME + "\r\n".join(line + _END_OF_LINE for line in lines) + _BELOW)

    def close(self) -> None:
        """See `Panel.close`."""
        if self._keys is not None:
            self._keys.__exit__()
            with contextlib.suppress(OSError):  # The terminal may be gone.
                self._write(_PLAIN + _SHOW + "\r\n")
        self._keys = None

    def _take(self, text: str) -> None:
        """Presses the keys that came. A sequence that has only begun waits for its rest until the next moment."""
        whole, self._rest = self._rest + text, ""
        begun = _BEGUN.search(whole) if text else None
        if begun is not None:
            whole, self._rest = whole[: begun.start()], begun[0]
        now = self._clock()
        for key, letter in split_keys(whole):
            repeats = now - self._seen.get(key, -np.inf) < (self.hold if key in self._repeating else self.first_repeat)
            if self.written is not None or not repeats:
                self.press(key, letter)
            self._seen[key] = now
            (self._repeating.add if repeats else self._repeating.discard)(key)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def split_keys(text: str) -> list[tuple[str, str]]:
    """Returns the keys of what a terminal sent, as pygame calls them, each with the letter that it writes; none that it has no name for."""
    keys: list[tuple[str, str]] = []
    while text:
        sequence = _WHOLE.match(text)
        if sequence is not None:
            keys += [(_SEQUENCES[sequence[0]], "")] if sequence[0] in _SEQUENCES else []
            text = text[sequence.end() :]
            continue
        letter, text = text[0], text[1:]
        if letter in _CONTROLS:
            keys.append((_CONTROLS[letter], " " if letter == " " else ""))
        elif letter.isprintable():
            keys.append((letter.lower(), letter))
    return keys


def fit(text: str, columns: int) -> str:
    """Returns as much of a text as fits into so many columns: some letters take two, accents none."""
    room = columns
    for i, letter in enumerate(text):
        wide = unicodedata.east_asian_width(letter) in "WF"
        room -= 0 if unicodedata.combining(letter) else 2 if wide else 1
        if room < 0:
            return text[:i]
    return text


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
