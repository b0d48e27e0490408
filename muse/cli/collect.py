"""`muse collect`: roll out a policy and save the episodes."""

from __future__ import annotations

import argparse
import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from muse.cli.acting import Acting, acting, add_acting_flags, positive_int
from muse.cli.collecting import add_file_flags, check_collection, open_collection
from muse.cli.common import make_parser, run
from muse.datasets.episode_writer import EpisodeWriter
from muse.experiments.assemble import recorded_spec
from muse.experiments.file_manager import ExperimentError
from muse.experiments.logger import logging_to
from muse.rollouts.loop import RolloutLoop, run_loop
from muse.rollouts.recorders import DatasetRecorder
from muse.utils.progress import Progress
from muse.utils.seeding import episode_seed

#: Failures after which a collection of successes is given up, where there was no success before.
_HOPELESS = 200

_DESCRIPTION = """Roll out a policy and save the episodes as a dataset.

Episodes are seeded and saved in the order of their seeds, so the same command makes the same data whatever --num_envs is, and
--continue goes on after an interruption where the file ends.
Examples:
  python scripts/collect.py --max_eps 200 --save_file data/point_mass/scripted_200.npz \\
      cfgs/exp_point_mass/bc_rnn.py %policy cfgs/policy/point_mass_expert.py
  python scripts/collect.py --max_eps 50 --save_file data/mine.npz exp=experiments/point_mass/..."""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION)
    amount = parser.add_mutually_exclusive_group(required=True)
    amount.add_argument(
        "--max_eps",
        type=positive_int,
        metavar="N",
        help="episodes to collect, those of --continue included; with --only_successful so many that succeeded",
    )
    amount.add_argument("--max_steps", type=positive_int, metavar="N", help="collect until the data has so many steps")
    add_file_flags(parser)
    parser.add_argument(
        "--save_every_n_episodes",
        type=int,
        default=100,
        metavar="N",
        help="save that often along the way, a .muse folder also whenever 64 MB wait; 0: an .npz file at the end only (default: 100)",
    )
    parser.add_argument("--only_successful", action="store_true", help="leave out episodes that failed")
    add_acting_flags(parser)
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    path = Path(args.save_file)
    check_collection(path, args.is_continue, args.overwrite)
    with logging_to(debug=args.debug), acting(args, unknown) as who:
        chosen = {"seed": args.seed, "only_successful": args.only_successful, "policy": type(who.policy).__name__}
        dataset = open_collection(path, args.is_continue, who.experiment, recorded_spec(who.experiment), chosen)
        recorder = _collect(args, who, dataset)
    share, ended = recorder.solved_share, recorder.taken - recorder.lost
    new = ", none of them new" if share is None else f", {share:.0%} of {ended} new ones solved"
    lost = f", {recorder.lost} given up, for the env failed" if recorder.lost else ""
    print(f"{path}: {dataset.num_episodes} episodes, {dataset.num_rows} steps{new}{lost}")
    return 0


def _collect(args: argparse.Namespace, who: Acting, dataset: EpisodeWriter) -> DatasetRecorder:
    """Rolls out until there is enough data, and saves it also when that is interrupted."""
    collection = dataset.meta["collection"]
    before, kept = collection["episodes_seen"], collection["kept"]
    kept_before = len(kept)

    def write_down(taken: int) -> None:
        collection["episodes_seen"] = before + taken
        kept.extend(before + place for place in recorder.kept[len(kept) - kept_before :])

    held = dataset.num_episodes
    counts_kept = bool(args.max_eps and args.only_successful)
    recorder = DatasetRecorder(
        dataset,
        args.save_every_n_episodes,
        args.only_successful,
        max(0, (args.max_steps or 0) - dataset.num_rows),
        args.max_eps - held if counts_kept else 0,
        write_down,
    )
    goal_policy, reward = who.experiment.goal_policy, who.experiment.reward
    loop = RolloutLoop(who.env, who.policy, who.experiment.model, goal_policy=goal_policy, reward=reward, recorders=[recorder])
    seeds = _seeds(args.seed, before, None if counts_kept else args.max_eps)
    starts = None if who.env.presets is None else itertools.islice(itertools.cycle(who.env.presets), before, None)

    def progress() -> int:
        if args.max_eps:
            return held + recorder.added if counts_kept else before + recorder.taken
        return dataset.num_rows

    total, unit, initial = (args.max_eps, "episodes", progress()) if args.max_eps else (args.max_steps, "steps", progress())
    with (
        Progress("collect", total=total, unit=unit, description=who.label, initial=min(initial, total)) as bar,
        contextlib.closing(run_loop(loop, seeds, starts)) as episodes,
    ):
        for _ in episodes if initial < total else ():
            bar.update(min(progress(), total), success=recorder.solved_share)
            if progress() >= total:
                break
            if args.only_successful and not held and not recorder.solved and recorder.taken >= _HOPELESS:
                raise ExperimentError(
                    str(args.save_file), f"none of the first {recorder.taken} episodes succeeded", "a policy that succeeds now and then",
                    "another policy, or no --only_successful",
                )  # fmt: skip
    return recorder


def _seeds(seed: int, begin: int, end: int | None) -> Iterator[int]:
    """Yields the seeds of episodes `begin` to `end`, for ever when None. They are those of `episode_seeds`."""
    for index in itertools.count(begin) if end is None else range(begin, end):
        yield episode_seed(seed, index)
