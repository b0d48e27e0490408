"""`muse data check`: everything that is wrong with datasets."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from muse.cli.common import make_parser, run
from muse.cli.data.common import counting
from muse.datasets.tools.checking import check_file
from muse.datasets.tools.findings import Finding
from muse.experiments.logger import logging_to

_DESCRIPTION = """Print everything that is wrong with datasets, not only the first thing, each with its name, episode and row.

A defect is what loading refuses: a file cut short, names missing, shapes and types that are not those of the file's own spec, lengths
that differ, a last episode without an end, NaN and infinity. A warning is what loads and may still be wrong: actions beyond their limits
or at them much of the time, elements that never change, outliers and jumps, quaternions that are none or change their sign, episodes
that are there twice or have one row, pictures that are black or stand still, splits with episodes that are not there or with shared ones.

Exit status 1 with any defect, in any file; --strict counts warnings too.
Examples:
  muse data check data/mine.npz
  muse data check data/*.npz data/*.muse --strict"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION, config=False)
    parser.add_argument("files", metavar="FILE", nargs="+", help="datasets, of any form that muse convert reads")
    parser.add_argument("--strict", action="store_true", help="exit status 1 with warnings too")
    parser.add_argument("--json", action="store_true", help="print a JSON list of everything found")
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    found: list[Finding] = []
    with logging_to(debug=args.debug):
        for file in args.files:
            with counting("check", "checks", description=Path(file).name) as tell:
                findings = check_file(file, tell)
            if not args.json:
                _print(file, findings)
            found += findings
    if args.json:
        print(json.dumps([finding.to_dict() for finding in found], indent=2))
    return int(any(finding.is_defect or args.strict for finding in found))


def _print(file: str, findings: Sequence[Finding]) -> None:
    defects = sum(finding.is_defect for finding in findings)
    warnings = len(findings) - defects
    counts = [
        f"{count} {word}{'s' if count > 1 else ''}" for count, word in ((defects, "defect"), (warnings, "warning")) if count
    ]
    print(f"{file}: {', '.join(counts) or 'nothing wrong'}")
    for finding in findings:
        print(f"  {'defect ' if finding.is_defect else 'warning'}  {finding}")
