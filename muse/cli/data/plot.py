"""`muse data plot`: pictures of what a dataset holds."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from muse.cli.common import make_parser, run
from muse.cli.data.common import FILE_HELP, counting
from muse.datasets.dataset import DataError
from muse.datasets.tools.opening import open_data
from muse.datasets.tools.plots import has_states, plot_coverage, plot_episode, plot_histograms, plot_lengths
from muse.experiments.logger import logging_to
from muse.utils.errors import OptionError

_DESCRIPTION = """Draw what a dataset holds as PNG files, into a folder beside the file or into --out:

  episode_<N>.png  a panel for each name over time
  histograms.png   the values of each name
  coverage.png     where states lie, and where episodes begin and end; none without observations
  lengths.png      how long episodes are

With --out <name>.png the one episode is drawn, and nothing else.
Examples:
  muse data plot data/mine.npz
  muse data plot data/mine.npz --episode 3 7 --out plots/mine
  muse data plot data/mine.npz --episode 3 --out plots/third.png"""

#: Endings of single pictures; all others are those of folders.
_PICTURES = (".png", ".jpg", ".jpeg", ".pdf", ".svg")


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION, config=False)
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
    parser.add_argument(
        "--episode", type=int, nargs="+", default=[0], metavar="N", help="episodes to draw over time (default: 0)"
    )
    parser.add_argument("--out", metavar="PATH", help="folder, or a .png for one episode alone (default: <FILE>_plots)")
    parser.add_argument("--overwrite", action="store_true", help="replace pictures that are there already")
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    source = Path(args.file)
    out = Path(args.out) if args.out else source.with_name(f"{source.stem}_plots")
    if out.suffix in _PICTURES and (out.suffix != ".png" or len(args.episode) > 1):
        got = f"{len(args.episode)} episodes" if out.suffix == ".png" else f"a name that ends in '{out.suffix}'"
        raise OptionError(f"--out {out}", got, "a folder, or a .png for one episode alone")
    with logging_to(debug=args.debug):
        data = open_data(args.file)
        pages: dict[Path, Callable[[Path], Any]] = {}
        for number in args.episode:
            name = out if out.suffix == ".png" else out / f"episode_{number}.png"
            pages[name] = lambda path, number=number: plot_episode(path, data, number)
        if out.suffix != ".png":
            for name, draw in (("histograms", plot_histograms), ("coverage", plot_coverage), ("lengths", plot_lengths)):
                pages[out / f"{name}.png"] = lambda path, draw=draw: draw(path, data)
        if not has_states(data):
            pages.pop(out / "coverage.png", None)
        taken = [path for path in pages if path.exists()]
        if taken and not args.overwrite:
            raise DataError(str(taken[0]), "is there already", "another --out", "--overwrite to replace it")
        with counting("plot", "pages", len(pages), source.name) as tell:
            for i, (path, page) in enumerate(pages.items()):
                page(path)
                tell(i + 1)
    for path in pages:
        print(path)
    return 0
