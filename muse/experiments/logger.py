"""Where log records go. Library code only calls `logging.getLogger(__name__)`; this module attaches the handlers."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_OURS = ("muse", "configs")


@contextlib.contextmanager
def logging_to(path: str | Path | None = None, debug: bool = False, to_terminal: bool = True) -> Iterator[None]:
    """Shows records of Muse on the terminal and appends them to a file, until the block ends.

    Args:
        path: Log file, appended to; none when None. It gets every record, the terminal those from INFO on.
        debug: Show DEBUG records on the terminal too.
        to_terminal: False inside another block that shows them already.
    """
    handlers: list[logging.Handler] = [_terminal_handler(debug)] if to_terminal else []
    if path is not None:
        file_handler = logging.FileHandler(path, encoding="utf-8")
        file_handler.setLevel(logging.DEBUG)
        file_handler.setFormatter(logging.Formatter(_FORMAT))
        handlers.append(file_handler)
    loggers = [logging.getLogger(name) for name in _OURS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        for handler in handlers:
            logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
            for handler in handlers:
                logger.removeHandler(handler)
        for handler in handlers:
            handler.close()


def _terminal_handler(debug: bool) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.DEBUG if debug else logging.INFO)
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler
