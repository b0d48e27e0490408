"""`muse data filter`: the episodes that fulfil a condition."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from muse.cli.common import make_parser, run
from muse.cli.data.common import FILE_HELP, add_target, counting
from muse.datasets.tools.expressions import LANGUAGE, Expression
from muse.datasets.tools.opening import open_data
from muse.datasets.tools.reworking import filter_data
from muse.experiments.logger import logging_to

_DESCRIPTION = f"""Write a dataset of the episodes for which a condition holds; it is computed for each episode by itself. Splits and the seeds
of a collection follow. NaN and infinity are let in, so that episodes with them can be left out.

{LANGUAGE}

Examples:
  muse data filter data/mine.npz data/short.npz --where "success and length < 200 and max(abs(action)) <= 1"
  muse data filter data/mine.npz data/sound.npz --where 'all(finite(action)) and all(finite("objects/position"))'
  muse data filter data/mine.npz data/left.npz --where 'first(ego[0]) < 0.5 and max(norm(diff(ego))) < 0.1'"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION, config=False)
    parser.add_argument("file", metavar="SRC", help=FILE_HELP)
    add_target(parser)
    parser.add_argument("--where", required=True, metavar="CONDITION", help="which episodes to keep")
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    # What is wrong with it shows before anything is read.
    Expression(args.where, "--where")
    with logging_to(debug=args.debug):
        data = open_data(args.file, finite=False)
        with counting("filter", "episodes", len(data.ends), args.target) as tell:
            chosen = filter_data(data, args.target, args.where, args.overwrite, tell)
    print(f"{args.file} -> {args.target}: {len(chosen)} of {len(data.ends)} episodes")
    return 0
