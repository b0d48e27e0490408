"""`muse collect`: roll out a policy and save the episodes."""

from __future__ import annotations

import argparse
import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from muse.cli.acting import Acting, acting, add_acting_flags, positive_int
from muse.cli.common import check_output, make_parser, run
from muse.datasets.episode_writer import EpisodeWriter
from muse.datasets.loading import format_of, read_file
from muse.experiments.assemble import Experiment, recorded_fingerprint, recorded_spec
from muse.experiments.file_manager import ExperimentError
from muse.experiments.logger import logging_to
from muse.experiments.provenance import FingerprintError, fingerprint_differences
from muse.policies.policy import Policy
from muse.rollouts.loop import RolloutLoop, run_loop
from muse.rollouts.recorders import DatasetRecorder
from muse.specs import SUCCESS
from muse.utils.errors import OptionError
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
    parser.add_argument("--save_file", required=True, metavar="FILE", help="where to save (.npz, or a .muse folder)")
    parser.add_argument(
        "--save_every_n_episodes",
        type=int,
        default=100,
        metavar="N",
        help="save that often along the way, a .muse folder also whenever 64 MB wait; 0: an .npz file at the end only (default: 100)",
    )
    parser.add_argument("--only_successful", action="store_true", help="leave out episodes that failed")
    parser.add_argument(
        "--continue", dest="is_continue", action="store_true", help="add to the file, from the seed after its last episode's"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    add_acting_flags(parser)
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    path = Path(args.save_file)
    format_of(path)
    if path.exists() and not (args.is_continue or args.overwrite):
        raise ExperimentError(str(path), "the file exists", "a new name", "--continue to add to it, --overwrite to replace it")
    check_output(path, overwrite=True, is_folder=path.suffix == ".muse")
    with logging_to(debug=args.debug), acting(args, unknown) as who:
        dataset = _open_dataset(args, who.experiment, who.policy, path)
        recorder = _collect(args, who, dataset)
    share, ended = recorder.solved_share, recorder.taken - recorder.lost
    new = ", none of them new" if share is None else f", {share:.0%} of {ended} new ones solved"
    lost = f", {recorder.lost} given up, for the env failed" if recorder.lost else ""
    print(f"{path}: {dataset.num_episodes} episodes, {dataset.num_rows} steps{new}{lost}")
    return 0


def _open_dataset(args: argparse.Namespace, experiment: Experiment, policy: Policy, path: Path) -> EpisodeWriter:
    """Returns the dataset to grow: the file's episodes with --continue, else an empty one.

    Raises:
        OptionError: When the file was collected with another seed or policy, or kept other episodes.
        FingerprintError: When it is to go on with another environment.
        DataError: When what is in the file is broken, or has other names than the episodes to come.
    """
    spec = recorded_spec(experiment)
    spec_with_success = spec if SUCCESS.name in spec else spec.extended([SUCCESS])
    chosen = {"seed": args.seed, "only_successful": args.only_successful, "policy": type(policy).__name__}
    meta = {"fingerprint": recorded_fingerprint(experiment), "collection": {**chosen, "episodes_seen": 0, "kept": []}}
    if not (args.is_continue and path.exists()):
        return EpisodeWriter(path, spec_with_success, meta)
    there = read_file(path)
    before = there.meta.get("collection")
    if not isinstance(before, dict) or "kept" not in before:
        raise OptionError(
            f"{path}: --continue", "it does not say how it was collected", "a file of `muse collect`", "another --save_file"
        )
    different = [f"{key} {before.get(key)!r}, now {value!r}" for key, value in chosen.items() if before.get(key) != value]
    if different:
        hint = "what the file was begun with, or another --save_file"
        raise OptionError(f"{path}: --continue", "; ".join(different), "one way of collecting for one file", hint)
    # One file holds episodes of one kind: here lengths and observations count too.
    both = ({**one, "cosmetic": ()} if one else {} for one in (there.meta.get("fingerprint"), meta["fingerprint"]))
    differences = fingerprint_differences(*both)
    if differences:
        hint = "the options that the file was begun with, or another --save_file"
        raise FingerprintError(
            f"{path}: environment's params", "; ".join(differences), "the environment that the file was begun in", hint
        )
    # Files of earlier versions do not say who succeeded.
    return EpisodeWriter(path, spec_with_success if SUCCESS.name in there.onetime else spec, there.meta, there=there)


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
