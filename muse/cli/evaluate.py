"""`muse eval`: evaluate an experiment on seeded episodes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from muse.cli.common import load_config, make_parser, require_experiment, run
from muse.cli.report import show_evaluation
from muse.experiments.assemble import Experiment, assemble
from muse.experiments.file_manager import ExperimentError, ExperimentFileManager
from muse.experiments.logger import logging_to
from muse.trainers.checkpoint import Checkpoint, restore_model

_DESCRIPTION = """Evaluate a model and policy on seeded episodes and print the success rate with its 95% interval.

The same --seed gives the same initial states whatever is evaluated. Each evaluation of an experiment writes
eval/<time>/episodes.jsonl and summary.json into its folder.
Example:
  python scripts/eval.py --max_eps 100 --track_returns exp=experiments/point_mass/..."""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION)
    parser.add_argument(
        "--model_file", metavar="FILE", help="checkpoint in models/, or a path (default: best_model.pt, else model.pt)"
    )
    parser.add_argument("--no_model_file", action="store_true", help="evaluate first weights, or a policy that uses no model")
    parser.add_argument("--random_policy", action="store_true", help="uniform random actions, as a baseline; writes nothing")
    add_evaluation_flags(parser)
    parser.add_argument("--track_returns", action="store_true", help="print returns too")
    parser.add_argument(
        "--reduce_returns", choices=("sum", "mean", "max", "min"), default="sum", help="how rewards make a return (default: sum)"
    )
    parser.add_argument("--video", metavar="FILE", help="write a video of the first episodes (mp4)")
    parser.add_argument("--video_eps", type=int, default=9, metavar="N", help="episodes in the video (default: 9)")
    parser.add_argument("--save_dir", metavar="DIR", help="folder for the results instead of the experiment's eval/<time>")
    return run(_work, parser, argv)


def add_evaluation_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say how episodes are run."""
    parser.add_argument("--max_eps", type=positive_int, default=100, metavar="N", help="episodes (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the initial states (default: 0)")
    parser.add_argument(
        "--num_envs", type=positive_int, default=None, metavar="N", help="environments stepped together (default: the recipe's)"
    )


def positive_int(text: str) -> int:
    """Reads a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a number of at least 1")
    return value


def restore(experiment: Experiment, manager: ExperimentFileManager, model_file: str | None) -> Checkpoint:
    """Loads a checkpoint into the experiment's model and returns it.

    Raises:
        ExperimentError: When the recipe has no model or the checkpoint was made for another spec.
    """
    if experiment.model is None:
        raise ExperimentError(str(manager.exp_dir), "the recipe has no group 'model'", "one to load weights into")
    return restore_model(experiment.model, manager.find_model(model_file))


def random_policy(experiment: Experiment) -> Any:
    """Returns the policy that acts at random within the spec's limits."""
    from attrdict import AttrDict

    from muse.policies.random_policy import RandomPolicy

    return RandomPolicy(AttrDict(), experiment.env_spec)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    from muse.rollouts.evaluation import evaluate
    from muse.rollouts.recorders import VideoRecorder
    from muse.utils.progress import Progress

    params, root, manager = load_config(args, unknown)
    needs_model = not args.random_policy and getattr(getattr(params.get("policy"), "cls", None), "uses_model", True)
    with logging_to(debug=args.debug):
        experiment = assemble(
            params,
            root.get_exp_name(),
            with_datasets=needs_model and args.no_model_file,
            with_model=needs_model,
            num_envs=args.num_envs,
        )
        try:
            if experiment.vector_env is None:
                raise ExperimentError(args.config, "no environment", "a recipe with a group 'env_train'")
            checkpoint = None
            if needs_model and args.no_model_file:
                load_first_statistics(experiment)
            elif needs_model:
                checkpoint = restore(experiment, require_experiment(manager, args.config), args.model_file)
            policy = random_policy(experiment) if args.random_policy else experiment.policy
            if policy is None:
                raise ExperimentError(args.config, "no policy", "a recipe with a group 'policy'", "--random_policy")
            recorders = [VideoRecorder(args.video, episodes=args.video_eps)] if args.video else []
            started = time.perf_counter()
            with Progress(
                "evaluate",
                description=Path(checkpoint.path).name if checkpoint else type(policy).__name__,
                total=args.max_eps,
                unit="episodes",
            ) as bar:
                result = evaluate(
                    experiment.vector_env, policy, experiment.model, episodes=args.max_eps, seed=args.seed, goal_policy=experiment.goal_policy,
                    reward=experiment.reward, recorders=recorders, progress=bar, reduce_returns=args.reduce_returns,
                )  # fmt: skip
            seconds = time.perf_counter() - started
        finally:
            experiment.close()
    folder = None
    if args.save_dir or (manager is not None and not args.random_policy):
        folder = Path(args.save_dir) if args.save_dir else manager.new_eval_dir()  # type: ignore[union-attr]
        result.save(folder, checkpoint=checkpoint.path if checkpoint else type(policy).__name__)
    plots = sorted(manager.plots_dir.glob("*.png")) if manager is not None and not args.random_policy else []
    show_evaluation(
        result, seconds, returns=args.track_returns, checkpoint=checkpoint, folder=folder, plots=plots, video=args.video
    )
    return 0


def load_first_statistics(experiment: Experiment) -> None:
    """Gives an untrained model the statistics of its training data."""
    if experiment.model is not None and experiment.model.statistics_names:
        if not experiment.datasets_train:
            raise ExperimentError(
                "--no_model_file", "no dataset for the model's statistics", "a recipe with a group 'dataset_train'"
            )
        experiment.model.load_statistics(experiment.datasets_train[0].get_statistics(experiment.model.statistics_names))
    if experiment.model is not None:
        experiment.model.eval()
