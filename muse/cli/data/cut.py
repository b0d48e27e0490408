"""`muse data cut`: parts of episodes as episodes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from muse.cli.acting import positive_int
from muse.cli.common import make_parser, run
from muse.cli.data.common import FILE_HELP, add_target, counting
from muse.datasets.tools.cutting import cut_data
from muse.datasets.tools.expressions import LANGUAGE, Expression
from muse.datasets.tools.opening import open_data
from muse.experiments.logger import logging_to

_DESCRIPTION = f"""Write each stretch of rows for which a condition holds as an episode of its own: what a person did in episodes that a policy began,
the skills of play. Params and finals are those of the whole episode; a piece that ends before it counts as truncated.

{LANGUAGE}

Examples:
  muse data cut data/mixed.npz data/corrections.npz --where "policy_type == 1" --min_length 10
  muse data cut data/play.muse data/pushes.muse --where 'policy_name == text("push")'"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION, config=False)
    parser.add_argument("file", metavar="SRC", help=FILE_HELP)
    add_target(parser)
    parser.add_argument("--where", required=True, metavar="CONDITION", help="which rows to keep: a truth value for each")
    parser.add_argument(
        "--min_length", type=positive_int, default=1, metavar="N", help="leave out pieces of fewer rows (default: 1)"
    )
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    # What is wrong with it shows before anything is read.
    Expression(args.where, "--where", each_row=True)
    with logging_to(debug=args.debug):
        data = open_data(args.file)
        with counting("cut", "episodes", len(data.ends), args.target) as tell:
            pieces = cut_data(data, args.target, args.where, args.min_length, args.overwrite, tell)
    rows = sum(piece.end - piece.begin for piece in pieces)
    print(f"{args.file} -> {args.target}: {len(pieces)} pieces, {rows} of {data.num_rows} steps")
    return 0
