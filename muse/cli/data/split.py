"""`muse data split`: named splits, written into a dataset."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from muse.cli.common import make_parser, run
from muse.cli.data.common import OWN_FILE_HELP
from muse.datasets.tools.opening import open_data
from muse.datasets.tools.reworking import draw_holdout, parse_split, write_splits
from muse.experiments.logger import logging_to
from muse.utils.errors import OptionError

_DESCRIPTION = """Write named splits of the episodes into a dataset. A recipe's dataset reads one of them with `split="train"`.

--holdout draws two by a seed: 'holdout', that share of the episodes, and 'train', the others. --name says which episodes: 0:90 (0 to
89), 90: (from 90 on), 7, or several of them with commas. Only what the file says about itself changes; the arrays of a .muse folder are
not touched, an .npz file is written anew.
Examples:
  muse data split data/mine.npz --holdout 0.1 --seed 0
  muse data split data/mine.npz --name train=0:90 holdout=90:100"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION, config=False)
    parser.add_argument("file", metavar="FILE", help=OWN_FILE_HELP)
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument(
        "--holdout", type=float, metavar="SHARE", help="draw this share of the episodes as 'holdout', the rest as 'train'"
    )
    kind.add_argument("--name", nargs="+", metavar="NAME=EPISODES", help="a split and its episodes: train=0:90")
    parser.add_argument("--seed", type=int, default=0, help="seed of --holdout (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="replace splits of the same name")
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    with logging_to(debug=args.debug):
        count = len(open_data(args.file, finite=False).ends)
        if args.holdout is not None:
            splits = draw_holdout(count, args.holdout, args.seed)
        else:
            splits = {}
            for word in args.name:
                name, equals, episodes = word.partition("=")
                if not equals or not name or name in splits:
                    raise OptionError(f"--name {word}", "not a new NAME=EPISODES", "a name, =, episodes: train=0:90")
                splits[name] = parse_split(episodes, count, f"--name {word}")
        write_splits(args.file, splits, args.overwrite)
    print(f"{args.file}: {', '.join(f'{name} {len(split)}' for name, split in splits.items())} of {count} episodes")
    return 0
