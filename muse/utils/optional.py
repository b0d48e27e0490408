"""The one place where optional back ends are imported."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType

from muse.utils.errors import MissingExtraError

#: What greets from C, where no setting stops it.
_GREETS = ("pybullet",)


def hush_pygame() -> None:
    """Keeps pygame from printing its greeting when it, or a library that needs it, is imported after."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


def import_optional(module: str) -> ModuleType:
    """Imports an optional back end, without the lines that some write to standard error as they load."""
    with _hushed_stderr() if module in _GREETS and module not in sys.modules else contextlib.nullcontext():
        return importlib.import_module(module)


def require(module: str, extra: str, wanted_by: str) -> ModuleType:
    """Imports an optional back end, or says which extra installs it.

    Args:
        module: Dotted name of the module (`"pybullet"`).
        extra: The extra of Muse that installs it (`"bullet"`).
        wanted_by: What needs it, for the message (`"BlockEnv3D"`).

    Raises:
        MissingExtraError: When the import fails in any way. Some wheels raise `RuntimeError` when they meet another build
            of torch, so every exception counts.
    """
    try:
        return import_optional(module)
    except Exception as error:
        raise MissingExtraError(
            wanted_by,
            f"cannot import '{module}' ({type(error).__name__}: {error})",
            f"the extra '{extra}' to be installed",
            f"pip install -e '.[{extra}]' -c constraints.txt",
        ) from error


@contextlib.contextmanager
def _hushed_stderr() -> Iterator[None]:
    """Standard error goes nowhere, also what C code writes to it."""
    try:
        kept = os.dup(2)
    except OSError:  # There is none.
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
