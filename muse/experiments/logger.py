"""Where log records go. Library code only calls `logging.getLogger(__name__)`; this module attaches the handlers."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_OURS = ("muse", "configs")


class Log(logging.Handler):
    """Keeps records until it is told where the file is: a run's folder is made only after much has been logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._kept: list[logging.LogRecord] = []
        self._file: logging.FileHandler | None = None

    def write_to(self, path: str | Path) -> None:
        """Appends the records so far, and all that follow, to a file."""
        self._file = logging.FileHandler(path, encoding="utf-8")
        self._file.setFormatter(logging.Formatter(_FORMAT))
        for record in self._kept:
            self._file.emit(record)
        self._kept.clear()

    def emit(self, record: logging.LogRecord) -> None:
        """Writes or keeps a record."""
        if self._file is not None:
            self._file.emit(record)
        else:
            self._kept.append(record)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
        super().close()


@contextlib.contextmanager
def logging_to(path: str | Path | None = None, debug: bool = False) -> Iterator[Log]:
    """Shows records of Muse on the terminal and appends them to a file, until the block ends.

    Args:
        path: Log file, appended to; none when None. It gets every record, the terminal those from INFO on.
        debug: Show DEBUG records on the terminal too.
    """
    log = Log()
    if path is not None:
        log.write_to(path)
    handlers: list[logging.Handler] = [_terminal_handler(debug), log]
    loggers = [logging.getLogger(name) for name in _OURS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        for handler in handlers:
            logger.addHandler(handler)
    try:
        yield log
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
