"""The root of every error that Muse raises for something its user can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Letters of a library's message that stand in one of ours.
_BRIEF_LENGTH = 200


class MuseError(Exception):
    """A mistake that the person in front of the screen can mend.

    Each part is a phrase of its own so that tests and tools can read it; the message joins them. At the command line the
    message is printed alone, without a traceback.

    Args:
        where: The file, option or call that is wrong (`"data/a.npz: 'ego'"`).
        got: What came (`"shape (10, 3)"`).
        expected: What was expected instead.
        hint: What to try.
    """

    exit_status = 1

    def __init__(self, where: str, got: str, expected: str = "", hint: str = "") -> None:
        super().__init__(where, got, expected, hint)
        self.where, self.got, self.expected, self.hint = where, got, expected, hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.got}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.hint:
            text += f"\n  try: {self.hint}"
        return text


class OptionError(MuseError):
    """An option that its class does not declare, lacks, or cannot take the value of."""

    exit_status = 2


class MissingExtraError(MuseError):
    """An optional back end that is not installed, or does not import."""


def nearest(name: str, names: Iterable[str]) -> str:
    """Returns `" (did you mean 'x'?)"` for the nearest of `names`, or an empty string."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def brief(error: BaseException, with_kind: bool = False) -> str:
    """Returns the first line of what a library says, cut where it runs on, for a message of ours.

    Args:
        with_kind: Begin with the type of the error, as Python prints it.
    """
    lines = str(error).strip("'\"").splitlines()
    text = lines[0] if lines else type(error).__name__
    if with_kind:
        text = f"{type(error).__name__}: {text}" if lines else text
    return cut(text)


def cut(text: str) -> str:
    """Returns a text that came from outside, cut where it runs on, for a message of ours."""
    return text if len(text) <= _BRIEF_LENGTH else text[:_BRIEF_LENGTH] + "..."
