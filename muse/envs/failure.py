"""What a simulator does that nobody asked for, told apart from the mistakes of those who use or write an env."""

from __future__ import annotations

import traceback

from muse.envs.env import EnvError
from muse.utils.errors import MuseError


class EnvFailure(EnvError):
    """A simulator that died, hung or broke down: no mistake of its user, and a fresh one may do better.

    A rollout runs the episode again instead of ending. Whatever an env raises that is no `MuseError` counts as one; an env may
    also raise it itself.
    """

    #: The traceback in the env, as text.
    trace = ""

    @property
    def summary(self) -> str:
        """Where and what, in one line."""
        return " ".join(f"{self.where}: {self.got}".split())


def name_row(row: int) -> str:
    """Returns how messages call an env of a `VectorEnv`."""
    return f"env {row} of a VectorEnv"


def as_muse_error(error: BaseException, row: int, hint: str = "") -> MuseError:
    """Returns what env `row` raised: a `MuseError`, which a fresh env would raise again, as it is, else an `EnvFailure`."""
    if isinstance(error, MuseError):
        return error
    failure = EnvFailure(name_row(row), f"{type(error).__name__}: {error}", "", hint)
    failure.trace = "".join(traceback.format_exception(error))
    failure.__cause__ = error
    return failure
