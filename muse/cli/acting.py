"""What `eval` and `collect` share: an environment and a policy with its weights."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from attrdict import AttrDict

from muse.cli.common import load_config, require_experiment
from muse.envs.vector_env import VectorEnv
from muse.experiments.assemble import Experiment, assemble, recorded_fingerprint
from muse.experiments.file_manager import ExperimentError, ExperimentFileManager
from muse.experiments.provenance import check_same_env
from muse.policies.policy import Policy
from muse.policies.random_policy import RandomPolicy
from muse.trainers.checkpoint import Checkpoint, load_checkpoint, restore_model


@dataclass(frozen=True)
class Acting:
    """What acts, and where.

    Attributes:
        experiment: The assembled recipe.
        env: Its environments.
        policy: What acts in them; not the recipe's own with `--random_policy`.
        manager: The experiment's folder; None for a recipe.
        checkpoint: The weights; None where there are none.
    """

    experiment: Experiment
    env: VectorEnv
    policy: Policy
    manager: ExperimentFileManager | None
    checkpoint: Checkpoint | None

    @property
    def label(self) -> str:
        """The checkpoint's file name, or the policy's class."""
        return self.checkpoint.path.rpartition("/")[2] if self.checkpoint is not None else type(self.policy).__name__


def add_acting_flags(parser: argparse.ArgumentParser, several: bool = True) -> None:
    """Adds the flags that say what acts.

    Args:
        parser: Of the verb.
        several: Environments may be stepped together, and random actions be a baseline.
    """
    add_weights_flags(parser)
    add_mismatch_flag(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of the episodes (default: 0)")
    if several:
        parser.add_argument("--random_policy", action="store_true", help="uniform random actions, as a baseline")
        parser.add_argument(
            "--num_envs", type=positive_int, metavar="N", help="environments stepped together (default: the recipe's)"
        )


def add_weights_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say with which weights."""
    parser.add_argument(
        "--model_file", metavar="FILE", help="checkpoint in models/, or a path (default: best_model.pt, else model.pt)"
    )
    parser.add_argument("--no_model_file", action="store_true", help="act with first weights")


def add_mismatch_flag(parser: argparse.ArgumentParser) -> None:
    """Adds the flag that lets data and weights be used in another environment than the one they come from."""
    parser.add_argument(
        "--allow_mismatch",
        action="store_true",
        help="warn of data or weights made in another environment (class, options, simulator) instead of refusing them",
    )


def positive_int(text: str) -> int:
    """Reads a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return value


@contextlib.contextmanager
def acting(args: argparse.Namespace, unknown: list[str]) -> Iterator[Acting]:
    """Assembles what a command line says acts, weights included, and closes the environments after.

    A model is built only for a policy that uses one, and data is read only where first weights need its statistics.

    Raises:
        ExperimentError: When the recipe lacks an environment, a policy, a model or weights for it.
    """
    params, root, manager = load_config(args, unknown)
    if args.random_policy:
        # What the recipe's own policy would write besides actions is not asked for.
        params = AttrDict({**params, "policy": None})
    group = params.get("policy")
    uses_model = not args.random_policy and getattr(getattr(group, "cls", None), "uses_model", True)
    experiment = assemble(
        params,
        root.get_exp_name(),
        with_datasets=uses_model and args.no_model_file,
        with_model=uses_model,
        num_envs=args.num_envs,
        allow_mismatch=args.allow_mismatch,
    )
    try:
        if experiment.vector_env is None:
            raise ExperimentError(args.config, "no environment", "a recipe with a group 'env_train'")
        policy = RandomPolicy(AttrDict(), experiment.env_spec) if args.random_policy else experiment.policy
        if policy is None:
            raise ExperimentError(args.config, "no policy", "a recipe with a group 'policy'", "--random_policy")
        checkpoint = load_weights(experiment, args, manager) if uses_model else None
        yield Acting(experiment, experiment.vector_env, policy, manager, checkpoint)
    finally:
        experiment.close()


def load_weights(experiment: Experiment, args: argparse.Namespace, manager: ExperimentFileManager | None) -> Checkpoint | None:
    """Gives the model the weights that the flags of `add_weights_flags` say; returns the checkpoint, None for first weights.

    Raises:
        ExperimentError, CheckpointError, FingerprintError: See `restore`.
    """
    if args.no_model_file:
        load_first_statistics(experiment)
        return None
    return restore(experiment, require_experiment(manager, args.config), args.model_file)


def restore(experiment: Experiment, manager: ExperimentFileManager, model_file: str | None) -> Checkpoint:
    """Loads a checkpoint into the experiment's model, puts that in evaluation mode, and returns the checkpoint.

    Raises:
        ExperimentError: When the recipe has no model or there is no checkpoint.
        CheckpointError: When it does not fit the model.
        FingerprintError: When it was trained for another environment.
    """
    if experiment.model is None:
        raise ExperimentError(str(manager.exp_dir), "the recipe has no group 'model'", "one to load weights into")
    checkpoint = load_checkpoint(manager.find_model(model_file))
    check_same_shapes(checkpoint, experiment)
    before, now = checkpoint.extra.get("fingerprint", {}), recorded_fingerprint(experiment)
    check_same_env(checkpoint.path, before, now, experiment.allow_mismatch)
    restore_model(experiment.model, checkpoint)
    experiment.model.eval()
    return checkpoint


def check_same_shapes(checkpoint: Checkpoint, experiment: Experiment) -> None:
    """Raises `ExperimentError` for the first name that had another shape when the weights were trained."""
    assert experiment.model is not None
    for name in (*experiment.model.input_names, *experiment.model.output_names):
        if name in checkpoint.env_spec and name in experiment.env_spec:
            then, now = checkpoint.env_spec.leaf(name).shape, experiment.env_spec.leaf(name).shape
            if then != now:
                hint = "the options of env_train that the run had"
                raise ExperimentError(
                    f"{checkpoint.path}: '{name}'", f"shape {now} in this environment", f"{then}, as in training", hint
                )


def load_first_statistics(experiment: Experiment) -> None:
    """Gives an untrained model the statistics of its training data."""
    model = experiment.model
    if model is None:
        return
    if model.statistics_names:
        if not experiment.datasets_train:
            raise ExperimentError(
                "--no_model_file", "no dataset for the model's statistics", "a recipe with a group 'dataset_train'"
            )
        model.load_statistics(experiment.datasets_train[0].get_statistics(model.statistics_names))
    model.eval()
