"""What a benchmark found, as a table for people and as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from timing import Timing

import muse
from muse.utils.machine import cpu_name

_UNITS = {"us": 1e6, "ms": 1e3, "s": 1.0}


@dataclass(frozen=True)
class Page:
    """Where a benchmark's results go and what is said around them.

    Attributes:
        title: Headline of the page.
        command: What writes it.
        table, data: Names of the page and of the file with the rows as JSON.
        notes: More lines of Markdown, after the rows.
        versions: Of packages besides those that every benchmark names, in words.
    """

    title: str
    command: str
    table: str
    data: str
    notes: Sequence[str] = ()
    versions: str = ""


@dataclass(frozen=True)
class Row:
    """A measured ratio and its target.

    Attributes:
        name: What was measured.
        unit: Of `value` and `reference`.
        target: `"<= 1.8"` for a time in multiples of the reference's, `">= 1.4"` for a speed-up over the reference.
        against: What the reference is, in words.
        value, reference: Times of Muse and of the reference; None where they could not be measured.
        ratios: The ratio in each sample.
        note: Why there is no value, or why the target does not hold although the ratio does.
    """

    name: str
    unit: str
    target: str
    against: str
    value: float | None = None
    reference: float | None = None
    ratios: Sequence[float] = ()
    note: str = ""

    @classmethod
    def of(cls, name: str, unit: str, target: str, against: str, timing: Timing, side: str, reference: str) -> Row:
        """Returns the row of two sides of a timing."""
        ratios = timing.ratios(reference, side) if target.startswith(">=") else timing.ratios(side, reference)
        scale = _UNITS[unit]
        return cls(name, unit, target, against, timing.median(side) * scale, timing.median(reference) * scale, ratios)

    @property
    def ratio(self) -> float | None:
        """The ratio that the target is about, of the medians."""
        if self.value is None or self.reference is None:
            return None
        return self.reference / self.value if self.target.startswith(">=") else self.value / self.reference

    @property
    def holds(self) -> bool | None:
        """Whether the target is reached; None where it was not measured."""
        if self.ratio is None:
            return None
        sign, limit = self.target.split()
        return not self.note and (self.ratio >= float(limit) if sign == ">=" else self.ratio <= float(limit))

    def to_dict(self) -> dict[str, Any]:
        """Returns the row as it stands in the JSON file; `note` only where there is one."""
        numbers = {key: _rounded(getattr(self, key)) for key in ("value", "reference", "ratio")}
        row = {
            "name": self.name, "value": numbers["value"], "unit": self.unit, "reference": numbers["reference"],
            "ratio": numbers["ratio"], "target": self.target, "holds": self.holds,
        }  # fmt: skip
        return {**row, "note": self.note} if self.note else row

    def to_cells(self) -> list[str]:
        """Returns the row as it stands in a table."""
        holds = {True: "yes", False: "NO", None: "not measured"}[self.holds]
        if self.value is None or self.reference is None or self.ratio is None:
            return [self.name, "", "", "", self.target, holds]
        ratio = f"{self.ratio:.2f}" if self.ratio >= 0.01 else f"{self.ratio:.1e}"
        if self.ratios:
            low, _, high = statistics.quantiles(self.ratios, n=4, method="inclusive")
            ratio += f" ({low:.2f} to {high:.2f})"
        return [self.name, f"{self.value:.4g} {self.unit}", f"{self.reference:.4g} {self.unit}", ratio, self.target, holds]


HEADER = ["what", "Muse", "reference", "ratio (middle half of the samples)", "target", "holds"]


def text_table(rows: Iterable[Row]) -> str:
    """Returns a table for a terminal."""
    lines = [HEADER, *(row.to_cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def markdown(page: Page, rows: Sequence[Row], seconds: float) -> str:
    """Returns the page of results."""
    lines = [HEADER, ["---"] * len(HEADER), *(row.to_cells() for row in rows)]
    table = ["| " + " | ".join(line) + " |" for line in lines]
    against = [
        f"- {row.name}: against {row.against}" + (f" {row.note[0].upper()}{row.note[1:]}." if row.note else "") for row in rows
    ]
    return "\n".join(
        [
            f"# {page.title}", "", f"Written by `{page.command}`. Only the ratios mean something on another machine.", "",
            *table, "", "What each is measured against:", "", *against, "", *page.notes,
            *(f"- {line}" for line in describe_machine(page, seconds)), "",
        ]
    )  # fmt: skip


def describe_machine(page: Page, seconds: float) -> list[str]:
    """Returns lines that say where and when this ran."""
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    versions = f"; {page.versions}" if page.versions else ""
    return [
        f"Machine: {cpu_name()}, {os.cpu_count()} cores, torch on {torch.get_num_threads()} of them, accelerator: {cuda}, load at the end {load}",
        f"Versions: Muse {muse.__version__}, Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}, gymnasium {gymnasium.__version__}{versions}",
        f"Date: {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, took {seconds:.0f} s",
    ]


def write(folder: Path, page: Page, rows: Sequence[Row], seconds: float) -> None:
    """Writes the rows and the page."""
    folder.mkdir(parents=True, exist_ok=True)
    data = json.dumps([row.to_dict() for row in rows], indent=2) + "\n"
    files = {page.data: data, page.table: markdown(page, rows, seconds)}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
