"""`muse data merge`: one dataset of several."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from muse.cli.acting import add_mismatch_flag
from muse.cli.common import make_parser, run
from muse.cli.data.common import add_target, counting
from muse.datasets.tools.opening import open_data
from muse.datasets.tools.reworking import fingerprints_of, merge_data
from muse.experiments.logger import logging_to
from muse.experiments.provenance import check_same_env

_DESCRIPTION = """Write the episodes of several datasets into one, in the order given. Their names, types, units, roles and limits must be the same
(`muse data relabel` changes them). Splits of one name are joined, their episodes renumbered; the seeds of collections are dropped.
What came with robomimic's demonstrations (env_args, model files) stays where all are of one environment.

Datasets made in environments that behave differently (class, options, simulator) are refused unless --allow_mismatch is given.
With one source it makes an .npz file of a .muse folder, or the other way round.
Examples:
  muse data merge data/monday.npz data/tuesday.npz data/both.npz
  muse data merge data/images.npz data/images.muse"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION, config=False)
    parser.add_argument("files", metavar="SRC", nargs="+", help="datasets, of any form that muse convert reads")
    add_target(parser)
    add_mismatch_flag(parser)
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    with logging_to(debug=args.debug):
        parts = [open_data(file) for file in args.files]
        first = fingerprints_of(parts[0])[0]
        for part in parts:
            for other in fingerprints_of(part):
                check_same_env(part.where, other, first, args.allow_mismatch)
        with counting("merge", "episodes", sum(len(part.ends) for part in parts), args.target) as tell:
            # What makes no difference to how an environment behaves was let pass above.
            merged = merge_data(parts, args.target, True, args.overwrite, tell)
    print(f"{' + '.join(args.files)} -> {args.target}: {len(merged.ends)} episodes, {merged.num_rows} steps")
    return 0
