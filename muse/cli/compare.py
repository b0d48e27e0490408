"""`muse compare`: is B better than A?"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from muse.cli.acting import add_mismatch_flag, positive_int
from muse.cli.common import make_parser, run, spell_experiment
from muse.cli.load import load, load_params
from muse.experiments.assemble import assemble, recorded_fingerprint
from muse.experiments.file_manager import ExperimentFileManager
from muse.experiments.logger import logging_to
from muse.experiments.provenance import check_same_env
from muse.rollouts.compare import Comparison
from muse.rollouts.compare import compare as compare_evaluations
from muse.rollouts.evaluation import Evaluation, evaluate
from muse.utils.progress import Progress

_DESCRIPTION = """Evaluate two experiments on the same initial states and print the paired difference with its 95% interval,
and how many more episodes would settle it.

Example:
  muse compare experiments/point_mass/a experiments/point_mass/b --episodes 200"""


def compare(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    episodes: int = 100,
    seed: int = 0,
    model_file: str | None = None,
    num_envs: int | None = None,
    allow_mismatch: bool = False,
) -> Comparison:
    """Evaluates two experiments on the same initial states and pairs their episodes.

    Args:
        a, b: Experiment folders.
        episodes: Episodes of each.
        seed: Root of the initial states.
        model_file: Checkpoint in `models/` of both; the best one, or else the latest, when None.
        num_envs: Environments stepped together; what each recipe says when None.
        allow_mismatch: As for `muse.load`.

    Raises:
        MuseError: When a folder or checkpoint is missing.
        FingerprintError: When the two are not of one environment.
    """
    for folder in (a, b):  # Before the first is evaluated, which takes long.
        ExperimentFileManager.open(spell_experiment(os.fspath(folder)).removeprefix("exp=")).find_model(model_file)
    _check_same_starts(a, b, allow_mismatch)
    return compare_evaluations(
        *(
            _evaluate(label, folder, episodes, seed, model_file, num_envs, allow_mismatch)
            for label, folder in (("A", a), ("B", b))
        )
    )


def _check_same_starts(a: str | os.PathLike[str], b: str | os.PathLike[str], allow_mismatch: bool) -> None:
    """Checks that both experiments are evaluated in one environment, from the same starts: else no episodes are pairs."""
    parts = []
    for folder in (a, b):
        params = load_params(spell_experiment(os.fspath(folder)))
        experiment = assemble(params, with_env=False, with_datasets=False, with_model=False)
        fingerprint = recorded_fingerprint(experiment)
        # Lengths and sweeps of starts count here.
        ignored = {*fingerprint["cosmetic"]} - {"num_steps", "done_on_success", "enable_preset_sweep"} if fingerprint else set()
        parts.append({**fingerprint, "cosmetic": sorted(ignored)} if fingerprint else {})
    check_same_env(f"{os.fspath(a)}, beside {os.fspath(b)}", *parts, allow_mismatch)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION, config=False)
    parser.add_argument("a", help="experiment folder A")
    parser.add_argument("b", help="experiment folder B")
    parser.add_argument("--episodes", type=positive_int, default=100, metavar="N", help="episodes of each (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the initial states (default: 0)")
    parser.add_argument(
        "--model_file", metavar="FILE", help="checkpoint in models/ of both (default: best_model.pt, else model.pt)"
    )
    parser.add_argument(
        "--num_envs", type=positive_int, default=None, metavar="N", help="environments stepped together (default: each recipe's)"
    )
    add_mismatch_flag(parser)
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    with logging_to(debug=args.debug):
        comparison = compare(args.a, args.b, args.episodes, args.seed, args.model_file, args.num_envs, args.allow_mismatch)
    print(f"A: {args.a}\nB: {args.b}\n{comparison.describe()}")
    return 0


def _evaluate(
    label: str, folder: str | os.PathLike[str], episodes: int, seed: int, model_file: str | None, num_envs: int | None,
    allow_mismatch: bool,
) -> Evaluation:  # fmt: skip
    path = spell_experiment(os.fspath(folder)).removeprefix("exp=")
    experiment = load(path, model_file=model_file, num_envs=num_envs, allow_mismatch=allow_mismatch)
    try:
        with Progress(label, total=episodes, unit="episodes", description=os.path.basename(os.path.normpath(folder))) as bar:
            return evaluate(
                experiment.vector_env, experiment.policy, experiment.model, episodes=episodes, seed=seed,
                goal_policy=experiment.goal_policy, reward=experiment.reward, progress=bar,
            )  # fmt: skip
    finally:
        experiment.close()
