"""The one place where optional back ends are imported."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from muse.utils.errors import MissingExtraError


def hush_pygame() -> None:
    """Keeps pygame from printing its greeting when it, or a library that needs it, is imported after."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


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
        return importlib.import_module(module)
    except Exception as error:
        raise MissingExtraError(
            wanted_by,
            f"cannot import '{module}' ({type(error).__name__}: {error})",
            f"the extra '{extra}' to be installed",
            f"pip install -e '.[{extra}]' -c constraints.txt",
        ) from error
