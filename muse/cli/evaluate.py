"""`muse eval`: evaluate an experiment on seeded episodes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from muse.cli.acting import acting, add_acting_flags, positive_int
from muse.cli.common import make_parser, run
from muse.cli.report import show_evaluation
from muse.experiments.logger import logging_to
from muse.rollouts.evaluation import evaluate
from muse.rollouts.recorder import Recorder
from muse.rollouts.recorders import TrackerRecorder
from muse.rollouts.video_recorder import VideoRecorder
from muse.utils.progress import Progress

_DESCRIPTION = """Evaluate a model and policy on seeded episodes and print the success rate with its 95% interval.

The same --seed gives the same initial states whatever is evaluated. Each evaluation of an experiment writes
eval/<time>/episodes.jsonl and summary.json into its folder; a recipe or a random policy writes nothing without --save_dir.
Example:
  python scripts/eval.py --max_eps 100 --track_returns exp=experiments/point_mass/..."""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION)
    parser.add_argument("--max_eps", type=positive_int, default=100, metavar="N", help="episodes (default: 100)")
    add_acting_flags(parser)
    parser.add_argument("--track_returns", action="store_true", help="print returns too")
    parser.add_argument(
        "--reduce_returns", choices=("sum", "mean", "max", "min"), default="sum", help="how rewards make a return (default: sum)"
    )
    parser.add_argument("--video", metavar="FILE", help="write a video of the first episodes (.mp4)")
    parser.add_argument("--video_eps", type=positive_int, default=9, metavar="N", help="episodes in the video (default: 9)")
    parser.add_argument("--save_dir", metavar="DIR", help="folder for the results instead of the experiment's eval/<time>")
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    with logging_to(debug=args.debug), acting(args, unknown) as who:
        trackers = TrackerRecorder.of((who.experiment.params.get("trainer") or {}).get("trackers"), "trainer/trackers")
        recorders: list[Recorder] = [trackers] if trackers.trackers else []
        recorders += [VideoRecorder(args.video, episodes=min(args.video_eps, args.max_eps))] if args.video else []
        started = time.perf_counter()
        with Progress("evaluate", description=who.label, total=args.max_eps, unit="episodes") as bar:
            result = evaluate(
                who.env, who.policy, who.experiment.model, episodes=args.max_eps, seed=args.seed, goal_policy=who.experiment.goal_policy,
                reward=who.experiment.reward, recorders=recorders, progress=bar, reduce_returns=args.reduce_returns,
            )  # fmt: skip
        seconds = time.perf_counter() - started
    extra = {"trackers": trackers.values()} if trackers.trackers else {}
    manager = None if args.random_policy else who.manager
    folder = Path(args.save_dir) if args.save_dir else manager.new_eval_dir() if manager is not None else None
    if folder is not None:
        result.save(folder, checkpoint=who.checkpoint.path if who.checkpoint is not None else who.label, extra=extra)
    plots = sorted(manager.plots_dir.glob("*.png")) if manager is not None else []
    show_evaluation(
        result,
        seconds,
        returns=args.track_returns,
        checkpoint=who.checkpoint,
        folder=folder,
        tracked=trackers.values(),
        plots=plots,
        video=args.video,
    )
    return 0
