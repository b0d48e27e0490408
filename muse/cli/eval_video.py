"""`muse eval_video`: evaluate an experiment and save what was seen."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from muse.cli.acting import Acting, positive_int
from muse.cli.common import check_output, make_parser, run
from muse.cli.evaluate import Output, add_evaluation_flags, run_evaluation
from muse.datasets.episode_writer import EpisodeWriter
from muse.experiments.assemble import recorded_fingerprint
from muse.rollouts.picture_recorder import PictureRecorder
from muse.rollouts.pictures import picture_names
from muse.rollouts.video_recorder import VideoRecorder
from muse.utils.errors import OptionError

_DESCRIPTION = """Evaluate a model and policy as `eval` does, and save what was seen: a video (.mp4) of all episodes, several at a time,
with step and success written above them, or a dataset (.npz, .muse) of the pictures alone and of who succeeded.

Pictures are what the environment renders, or observations of it (--image_key). In a dataset they are all observations with
pictures, or where there is none what the environment renders, as 'image'.
Examples:
  python scripts/eval_video.py --max_eps 9 --fps 20 --save_file videos/best.mp4 exp=experiments/point_mass/...
  python scripts/eval_video.py --image_key image --save_file seen.mp4 --save_file data/seen.muse exp=experiments/..."""

_VIDEO, _DATASETS = ".mp4", (".npz", ".muse")


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION)
    add_evaluation_flags(parser, max_eps=9)
    parser.add_argument(
        "--save_file",
        action="append",
        default=[],
        metavar="FILE",
        help="a video (.mp4) or a dataset (.npz, or a .muse folder, which may be larger than memory); may be given several times "
        "(default: videos/<checkpoint>.mp4 in the experiment's folder)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")
    parser.add_argument(
        "--image_key",
        action="append",
        default=[],
        metavar="NAME",
        help="an observation with pictures, instead of what the environment renders; several are shown beside one another",
    )
    parser.add_argument("--fps", type=float, default=20.0, metavar="RATE", help="frames per second of the video (default: 20)")
    parser.add_argument("--tile", type=positive_int, metavar="N", help="episodes that play at a time (default: all, up to 9)")
    parser.add_argument("--raw", action="store_true", help="show pictures as they are: not enlarged, nothing written above them")
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    files = [Path(file) for file in args.save_file]
    _check_files(files, args.overwrite)
    return run_evaluation(args, unknown, lambda who: _make_outputs(args, who, files))


def _check_files(files: Sequence[Path], overwrite: bool) -> None:
    """Raises for the first file that could not be written when the episodes are over."""
    for place, file in enumerate(files):
        if file.suffix not in (_VIDEO, *_DATASETS):
            got = f"a name that ends in '{file.suffix}'"
            raise OptionError(f"--save_file {file}", got, f"a video ({_VIDEO}) or a dataset ({', '.join(_DATASETS)})")
        if any(os.path.realpath(file) == os.path.realpath(other) for other in files[:place]):
            raise OptionError(f"--save_file {file}", "given twice", "each file once")
        check_output(file, overwrite, is_folder=file.suffix == ".muse")


def _make_outputs(args: argparse.Namespace, who: Acting, files: Sequence[Path]) -> list[Output]:
    if not files:
        files = [_default_file(who)]
        _check_files(files, args.overwrite)
    evaluation = {"seed": args.seed, "checkpoint": who.checkpoint.path if who.checkpoint is not None else who.label}
    meta = {"fingerprint": recorded_fingerprint(who.experiment), "evaluation": evaluation}
    outputs = []
    for file in files:
        if file.suffix == _VIDEO:
            video = VideoRecorder(file, args.fps, args.max_eps, args.tile or 0, args.image_key, args.raw)
            outputs.append(Output("video", file, video))
        else:
            names = args.image_key or picture_names(who.env.env_spec)
            outputs.append(Output("dataset", file, PictureRecorder(partial(EpisodeWriter, file, meta=meta), names)))
    return outputs


def _default_file(who: Acting) -> Path:
    """Returns the video that an experiment keeps of what was evaluated."""
    if who.manager is None:
        hint = "exp=<experiment folder>, where it is videos/<checkpoint>.mp4 by default"
        raise OptionError("--save_file", "missing, and a recipe has no folder", "a video or a dataset to write", hint)
    return who.manager.videos_dir / f"{Path(who.label).stem}{_VIDEO}"
