"""Single keys of the terminal that a verb was started in."""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import sys
from collections.abc import Collection
from typing import IO, Any

from muse.utils.errors import OptionError

#: What terminals send for the key Enter.
_ENTER = "\r\n"


class TerminalKeys:
    """Reads keys as they are pressed, without Enter and without showing them. Ctrl-C interrupts, as ever.

        with TerminalKeys() as keys:
            if "q" in keys.poll(): ...

    Args:
        stream: The terminal; standard input where None.

    Raises:
        OptionError: For what is no terminal: nobody could press a key.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = sys.stdin if stream is None else stream
        if not self._stream.isatty():
            raise OptionError("standard input", "no terminal", "a person at a terminal, who says when to begin and to end")
        self._file = self._stream.fileno()
        self._before: list[Any] | None = None
        # Half a letter may come, and its rest later.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __enter__(self) -> TerminalKeys:
        try:
            import termios
            import tty
        except ImportError as error:
            raise OptionError("the terminal", "this system has no termios", "Linux or macOS") from error

        self._before = termios.tcgetattr(self._file)
        tty.setcbreak(self._file)
        return self

    def __exit__(self, *_: object) -> None:
        import termios

        if self._before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)

    def poll(self) -> str:
        """Returns the keys that were pressed since the last time, Enter as a line feed."""
        return self._keys(0.0)

    def wait(self, wanted: Collection[str]) -> str:
        """Waits until one of `wanted` is pressed, and returns it."""
        while True:
            for key in self._keys(0.2):
                if key in wanted:
                    return key

    def read(self, patience: float = 0.0) -> str:
        """Returns what the terminal sent, as it came, after waiting for it for at most `patience` [s].

        Raises:
            OptionError: When the terminal has gone.
        """
        if not select.select([self._file], [], [], patience)[0]:
            return ""
        data = os.read(self._file, 1024)
        if not data:
            raise OptionError("standard input", "the terminal has gone", "a person at a terminal")
        return self._decoder.decode(data)

    def _keys(self, patience: float) -> str:
        return "".join("\n" if key in _ENTER else key for key in self.read(patience).lower())
