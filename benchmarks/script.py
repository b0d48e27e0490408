"""What the benchmark scripts share: a command line, a table, results that are written."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import report
from peer import PeerError

from muse.utils.errors import MissingExtraError

RESULTS = Path(__file__).parent / "results"

#: Takes `quick` and returns rows of the table.
Measurement = Callable[[bool], list[report.Row]]


def parse(description: str, measurements: Mapping[str, Measurement], arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=measurements,
        metavar="NAME",
        help="measure this alone, may be repeated: " + ", ".join(measurements),
    )
    parser.add_argument(
        "--quick", action="store_true", help="run every line once or twice, to see that it runs; its numbers say nothing"
    )
    parser.add_argument(
        "--out", type=Path, help="folder to write to; benchmarks/results for the whole table, nowhere for a part or with --quick"
    )
    return parser.parse_args(arguments)


def measure(page: report.Page, measurements: Mapping[str, Measurement], options: argparse.Namespace) -> int:
    """Measures, prints and writes; returns the exit status, which says nothing about the targets: 1 where what is compared with is missing."""
    begin, rows = time.monotonic(), []
    try:
        for name in options.only or measurements:
            sys.stderr.write(f"{name} ...\n")
            rows += measurements[name](options.quick)
    except (PeerError, MissingExtraError) as error:
        print(error, file=sys.stderr)
        return 1
    seconds = time.monotonic() - begin
    print(report.text_table(rows))
    for row in rows:
        if row.note:
            print(f"{row.name}: {row.note}")
    print(*report.describe_machine(page, seconds), sep="\n")
    folder = options.out or (None if options.only or options.quick else RESULTS)
    if folder is not None:
        report.write(folder, page, rows, seconds)
        print(f"written: {folder / page.data}, {folder / page.table}")
    return 0
