"""`muse data info`: what a dataset holds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from muse.cli.common import make_parser, run
from muse.cli.data.common import FILE_HELP, counting
from muse.datasets.tools.summary import NameSummary, Summary, overall_std, summarize
from muse.experiments.logger import logging_to
from muse.utils.files import format_bytes

_DESCRIPTION = """Print what a dataset holds: episodes and their lengths, which succeeded, the environment that it was made in, splits,
sizes, and for each name its role, shape, type, unit, limits and statistics over all rows and elements. What never changes is marked as
constant. Names with large rows, pictures, are judged by some of their rows.

Whether an episode succeeded is told by a name 'success', by a collection of successes alone, or by rewards of 0 and 1.
Examples:
  muse data info data/point_mass/scripted_200.npz
  muse data info data/mine.muse --json"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION, config=False)
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
    parser.add_argument("--json", action="store_true", help="print one JSON object, with statistics of each element")
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    with logging_to(debug=args.debug), counting("info", "names", description=Path(args.file).name) as tell:
        summary = summarize(args.file, tell)
    if args.json:
        print(json.dumps(summary.to_dict(), indent=2))
    else:
        print("\n".join(_lines(summary)))
    return 0


def _lines(summary: Summary) -> Iterator[str]:
    lengths, meta = summary.lengths, summary.meta
    yield f"{summary.file}: {len(lengths)} episodes, {lengths.sum()} steps"
    if len(lengths):
        yield f"  lengths      {lengths.min()} to {lengths.max()}, median {np.median(lengths):g}"
    if summary.success is not None and len(lengths):
        solved = summary.success.values
        yield f"  success      {solved.sum()} of {len(solved)} ({solved.mean():.0%}), told by {summary.success.source}"
    else:
        yield "  success      not known"
    fingerprint = meta.get("fingerprint") or {}
    if fingerprint.get("class"):
        yield f"  environment  {fingerprint['class']}"
        versions = {**fingerprint.get("versions", {}), **fingerprint.get("simulators", {})}
        yield f"  versions     {', '.join(f'{name} {version}' for name, version in versions.items())}"
    collection = meta.get("collection")
    if isinstance(collection, dict):
        yield "  collected    " + ", ".join(f"{key} {value}" for key, value in collection.items() if not isinstance(value, list))
    splits = meta.get("splits", {})
    yield "  splits       " + (", ".join(f"{name} {len(split)}" for name, split in splits.items()) or "none")
    yield f"  size         {format_bytes(summary.disk_bytes)} on the disk, {format_bytes(summary.memory_bytes)} as arrays"
    if not summary.has_meta:
        yield "  no spec in the file: roles, units and limits of names are not known"
    yield ""
    head = ("name", "role", "shape", "type", "unit", "limits", "min", "mean", "max", "std", "")
    yield from _table([head, *map(_row, summary.names)])


def _row(name: NameSummary) -> tuple[str, ...]:
    leaf, stats = name.leaf, name.statistics
    shape = " ".join(map(str, leaf.shape)) or "-"
    limits = "" if not np.isfinite([leaf.low, leaf.high]).any() or not leaf.size else f"{leaf.low.min():g} {leaf.high.max():g}"
    numbers = ["", "", "", ""]
    if stats is not None:
        numbers = [f"{value:.4g}" for value in (stats.min.min(), stats.mean.mean(), stats.max.max(), overall_std(stats))]
    return leaf.name, leaf.role.replace("_", " "), shape, str(leaf.dtype), leaf.unit, limits, *numbers, _note(name)


def _note(name: NameSummary) -> str:
    notes = ["per episode"] if name.is_onetime else []
    if name.not_finite:
        notes.append(f"NaN or infinity in {name.not_finite} rows: see muse data check")
    if name.statistics is not None and name.statistics.count < name.rows:
        notes.append(f"by {name.statistics.count} of {name.rows} rows")
    size, constant = name.leaf.size, name.constant
    if constant and len(constant) == size:
        notes.append("constant")
    elif constant:
        notes.append(f"{len(constant)} of {size} elements constant")
    return ", ".join(notes)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    # Names of things to the left, numbers to the right.
    left = (0, 1, 2, 3, 4, 5, 10)
    for row in rows:
        cells = [
            f"{cell:<{width}}" if i in left else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield ("  " + "  ".join(cell for cell, width in zip(cells, widths, strict=True) if width)).rstrip()
