"""Progress lines for long work: speed, loss and the last success rate.

    with Progress("collect", total=200, unit="episodes", description="point mass, scripted expert") as bar:
        bar.update(20, success=1.0)

On a terminal one line is redrawn:

    collect   point mass, scripted expert    20/200 episodes   ━━━         100% success   412 ep/s

Anywhere else (a file, a pipe, CI, `TERM=dumb`) a plain line is written now and then, so that a log shows that work goes on:

    collect  20/200 episodes (10%)  success 100%  412 ep/s
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import IO, Any

#: Shorter words for the rate column.
_SHORT_UNITS = {"episodes": "ep"}
#: Widths where there is room [characters].
_BAR_WIDTH, _DESCRIPTION_WIDTH = 12, 32


class Progress:
    """Shows how far a task is. A context manager; `update` outside it shows nothing and is harmless.

    Args:
        name: The task, one word (`"train"`).
        total: Units in all; 0 when nobody knows.
        unit: What is counted, plural (`"episodes"`, `"steps"`).
        description: What is special about this task (`"bc-rnn lstm 2x64"`).
        initial: Units that were done before (a resumed run); they do not count for the rate.
        file: Where to write; standard error when None, so that standard output stays for results.
        clock: Returns seconds; for tests.
    """

    #: A plain line comes after this share of the total, or after so many seconds [s], whichever is first, but never sooner than after
    #: the last: what is done in a moment needs no log.
    plain_share, plain_seconds, plain_pause = 0.1, 10.0, 1.0

    def __init__(
        self,
        name: str,
        total: int = 0,
        unit: str = "steps",
        description: str = "",
        initial: int = 0,
        file: IO[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.total, self.unit, self.description = name, total, unit, description
        self.done = self.initial = initial
        self.loss: float | None = None
        self.success: float | None = None
        self.interval: tuple[float, float] | None = None
        self._file, self._clock = file, clock
        self._began = self._shown_at = 0.0
        self._shown_done = initial
        self._bar: Any = None
        self._out: IO[str] | None = None

    def __enter__(self) -> Progress:
        self._out = self._file or sys.stderr
        self._began = self._shown_at = self._clock()
        if _is_live(self._out):
            self._open_bar()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._draw()
            self._bar.stop()
            self._bar = None
        elif self._out is not None and self._shown_done != self.done:
            self._write_plain()
        self._out = None

    @property
    def rate(self) -> float:
        """Units per second since the beginning [1/s]; 0 before anything is done."""
        seconds = self._clock() - self._began
        return (self.done - self.initial) / seconds if seconds > 0 else 0.0

    def update(
        self,
        done: int,
        *,
        loss: float | None = None,
        success: float | None = None,
        interval: tuple[float, float] | None = None,
    ) -> None:
        """Says how far the task is.

        Args:
            done: Units done in all.
            loss: The present loss. What is not given stays as it was.
            success: The last success rate, a fraction.
            interval: Its 95% interval, fractions.
        """
        self.done = done
        if loss is not None:
            self.loss = loss
        if success is not None:
            self.success, self.interval = success, interval
        if self._bar is not None:
            self._draw()
        elif self._out is not None and self._is_due():
            self._write_plain()

    def _is_due(self) -> bool:
        finished = bool(self.total) and self.done >= self.total
        if finished:
            return self._shown_done != self.done
        share = bool(self.total) and self.done - self._shown_done >= self.plain_share * self.total
        waited = self._clock() - self._shown_at
        return (share and waited >= self.plain_pause) or waited >= self.plain_seconds

    def _write_plain(self) -> None:
        percent = f"({100 * self.done // self.total}%)" if self.total else ""
        parts = [self.name, self.description, f"{self._count_text()} {percent}".strip(), self._state_text(), self._rate_text()]
        assert self._out is not None
        self._out.write("  ".join(part for part in parts if part) + "\n")
        self._out.flush()
        self._shown_done, self._shown_at = self.done, self._clock()

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        console = Console(file=self._out)
        self._width = console.width
        self._bar_column = BarColumn(bar_width=_BAR_WIDTH)
        columns = (
            TextColumn("{task.fields[title]:<9}", style="bold"),
            TextColumn("{task.description}"),
            TextColumn("{task.fields[count]:>17}"),
            self._bar_column,
            TextColumn("{task.fields[state]}", style="green"),
            TextColumn("{task.fields[rate]}", style="cyan"),
        )
        self._bar = RichProgress(*columns, console=console, refresh_per_second=5)
        self._task = self._bar.add_task("", total=self.total or None, completed=self.done, **self._texts())
        self._draw()
        self._bar.start()

    def _draw(self) -> None:
        # What is left for description and bar: rich would shorten every column alike, the numbers too.
        texts = self._texts()
        room = self._room(texts)
        if room < 1:
            texts["state"] = self._state_text(with_interval=False)
            room = self._room(texts)
        width = min(max(room - _BAR_WIDTH, 0), _DESCRIPTION_WIDTH)
        self._bar_column.bar_width = min(max(room - width, 1), _BAR_WIDTH)
        shown = self.description if len(self.description) <= width else self.description[: max(width - 1, 0)] + "…" * (width > 0)
        self._bar.update(self._task, completed=self.done, description=f"{shown:<{width}}", **texts)

    def _room(self, texts: dict[str, str]) -> int:
        return self._width - max(9, len(self.name)) - max(17, len(texts["count"])) - len(texts["state"]) - len(texts["rate"]) - 5

    def _texts(self) -> dict[str, str]:
        return {"title": self.name, "count": self._count_text(), "state": self._state_text(), "rate": self._rate_text()}

    def _count_text(self) -> str:
        return f"{self.done}/{self.total} {self.unit}" if self.total else f"{self.done} {self.unit}"

    def _state_text(self, with_interval: bool = True) -> str:
        parts = []
        if self.loss is not None:
            parts.append(f"loss {self.loss:.3g}")
        if self.success is not None:
            parts.append(f"success {format_success(self.success, self.interval if with_interval else None)}")
        return "  ".join(parts)

    def _rate_text(self) -> str:
        rate = self.rate
        digits = 0 if rate >= 10 else 2
        return f"{rate:,.{digits}f} {_SHORT_UNITS.get(self.unit, self.unit)}/s" if rate > 0 else ""


def format_success(success: float, interval: tuple[float, float] | None = None) -> str:
    """Returns `"96%"` or `"97.0% [91.5, 99.0]"` for fractions."""
    if interval is None:
        return f"{100 * success:.0f}%"
    return f"{100 * success:.1f}% [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def _is_live(file: IO[str]) -> bool:
    """Whether a line can be redrawn on `file`."""
    from rich.console import Console

    console = Console(file=file)
    return console.is_terminal and not console.is_dumb_terminal
