"""`muse eval`: evaluate an experiment on seeded episodes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from muse.cli.acting import Acting, acting, add_acting_flags, positive_int
from muse.cli.common import check_output, make_parser, run
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


class Output(NamedTuple):
    """A file made of the episodes: what it is, where it lies, and what writes it."""

    label: str
    path: Path
    recorder: Recorder


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION)
    add_evaluation_flags(parser, max_eps=100)
    parser.add_argument(
        "--video", metavar="FILE", help="write a video of the first episodes (.mp4); `eval_video` has more to choose"
    )
    parser.add_argument("--video_eps", type=positive_int, default=9, metavar="N", help="episodes in the video (default: 9)")
    parser.add_argument("--overwrite", action="store_true", help="replace the video where it is there already")
    return run(_work, parser, argv)


def add_evaluation_flags(parser: argparse.ArgumentParser, max_eps: int) -> None:
    """Adds the flags that say what is evaluated, and on how many episodes where that is not said."""
    parser.add_argument("--max_eps", type=positive_int, default=max_eps, metavar="N", help=f"episodes (default: {max_eps})")
    add_acting_flags(parser)
    parser.add_argument("--track_returns", action="store_true", help="print returns too")
    parser.add_argument(
        "--reduce_returns", choices=("sum", "mean", "max", "min"), default="sum", help="how rewards make a return (default: sum)"
    )
    parser.add_argument("--save_dir", metavar="DIR", help="folder for the results instead of the experiment's eval/<time>")


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    if args.video:
        check_output(Path(args.video), args.overwrite)

    def outputs(who: Acting) -> list[Output]:
        if not args.video:
            return []
        return [Output("video", Path(args.video), VideoRecorder(args.video, episodes=min(args.video_eps, args.max_eps)))]

    return run_evaluation(args, unknown, outputs)


def run_evaluation(args: argparse.Namespace, unknown: list[str], make_outputs: Callable[[Acting], Sequence[Output]]) -> int:
    """Evaluates what a command line says, writes down and prints what was found, and returns the exit status.

    Args:
        args: Flags of `add_evaluation_flags`.
        unknown: The words behind the recipe.
        make_outputs: Says what else is to be made of the episodes, once it is known who acts.
    """
    with logging_to(debug=args.debug), acting(args, unknown) as who:
        trackers = TrackerRecorder.of((who.experiment.params.get("trainer") or {}).get("trackers"), "trainer/trackers")
        outputs = make_outputs(who)
        recorders: list[Recorder] = [trackers] if trackers.trackers else []
        recorders += [output.recorder for output in outputs]
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
    show_evaluation(
        result,
        seconds,
        returns=args.track_returns,
        checkpoint=who.checkpoint,
        folder=folder,
        tracked=trackers.values(),
        files=[("plot", path) for path in (sorted(manager.plots_dir.glob("*.png")) if manager is not None else [])]
        + [(output.label, output.path) for output in outputs],
    )
    return 0
