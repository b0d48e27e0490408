"""`muse data video`: a video of the pictures in episodes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from muse.cli.common import check_output, make_parser, run
from muse.cli.data.common import FILE_HELP, counting
from muse.datasets.tools.opening import open_data
from muse.datasets.tools.videos import write_episodes_video
from muse.experiments.logger import logging_to

_DESCRIPTION = """Write a video (mp4) of the pictures in episodes, one episode after another: cameras beside one another, the step above each frame.
Examples:
  muse data video data/images.muse --out first.mp4
  muse data video data/images.muse --episode 3 7 --name image ego_image --out both.mp4"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION, config=False)
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
    parser.add_argument("--episode", type=int, nargs="+", default=[0], metavar="N", help="episodes to show (default: 0)")
    parser.add_argument("--name", nargs="+", default=[], metavar="NAME", help="cameras (default: every name that holds pictures)")
    parser.add_argument("--fps", type=float, default=20.0, metavar="RATE", help="frames per second (default: 20)")
    parser.add_argument("--out", required=True, metavar="FILE.mp4", help="the video")
    parser.add_argument("--overwrite", action="store_true", help="replace the video where it is there already")
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    out = Path(args.out)
    check_output(out, args.overwrite)
    with logging_to(debug=args.debug):
        data = open_data(args.file)
        lengths = np.diff(data.ends, prepend=0)
        total = sum(int(lengths[number]) for number in args.episode if 0 <= number < len(lengths))
        with counting("video", "frames", total, out.name) as tell:
            frames = write_episodes_video(out, data, args.episode, args.name, args.fps, tell)
    print(f"{args.file} -> {out}: {frames} frames of {len(args.episode)} episodes")
    return 0
