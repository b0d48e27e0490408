"""What `goal_train` and `train` share: make the folder, assemble, run, say what came out."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrdict import AttrDict

from muse.cli.acting import add_mismatch_flag
from muse.cli.common import load_config
from muse.cli.report import report_training
from muse.experiments.assemble import Experiment, assemble, check_fit, recorded_fingerprint
from muse.experiments.file_manager import RESOLVED_FILE, ExperimentFileManager, check_free, experiment_path
from muse.experiments.logger import Log, logging_to
from muse.trainers.writers import WriterGroup, make_writer
from muse.utils.abstract import build, is_group
from muse.utils.attrdicts import flatten
from muse.utils.errors import OptionError

_log = logging.getLogger(__name__)


def add_training_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the training verbs."""
    parser.add_argument(
        "--continue", dest="is_continue", action="store_true", help="resume the run in its folder; start it where there is none"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an experiment of the same name")
    parser.add_argument(
        "--no_wandb", action="store_true", help="do not write to Weights & Biases (TensorBoard and files are always written)"
    )
    parser.add_argument("--wandb_project", default="muse", metavar="NAME", help="Weights & Biases project (default: muse)")
    parser.add_argument("--wandb_tags", default="", metavar="A:B", help="Weights & Biases tags, with ':' between them")
    parser.add_argument(
        "--base_dir", default="experiments", metavar="DIR", help="folder of all experiments (default: experiments)"
    )
    add_mismatch_flag(parser)
    parser.add_argument("--print_all", action="store_true", help="print every resolved value before training")


def train(args: argparse.Namespace, unknown: list[str], with_env: bool) -> int:
    """Trains what a command line says.

    Args:
        with_env: Build environments and roll out; without, rollouts of the recipe are left out with one line that says so.
    """
    params, root, manager = load_config(args, unknown)
    if not is_group(params.get("trainer")):
        raise OptionError(args.config, "no group 'trainer'", "a recipe to train")
    if args.print_all:
        for path, value, origin in root.get_origins():
            print(f"{path}  {value!r}  [{origin}]")
    name = root.get_exp_name()
    folder = manager.exp_dir if manager is not None and args.is_continue else experiment_path(name, args.base_dir)
    goes_on = args.is_continue and folder.is_dir()
    if not args.is_continue:
        check_free(folder, args.overwrite)
    with (
        logging_to(debug=args.debug) as log,
        contextlib.closing(assemble(params, name, with_env=with_env, allow_mismatch=args.allow_mismatch)) as experiment,
    ):
        # Everything that can be wrong with a recipe shows before a folder is made, or an old one replaced.
        trainer = make_trainer(experiment, folder, WriterGroup([]), with_env)
        if not goes_on:
            check_fit(experiment)
        return _run(args, root, experiment, trainer, folder, log, goes_on)


def _run(args: argparse.Namespace, root: Any, experiment: Experiment, trainer: Any, folder: Path, log: Log, goes_on: bool) -> int:
    texts = (root.get_config_text(), root.get_args_text(), json.dumps(root.get_resolved_json(), indent=1) + "\n")
    if goes_on:
        for change in resolved_changes(folder / RESOLVED_FILE, root.get_resolved_json()):
            _log.warning("goes on with another value: %s", change)
        manager = ExperimentFileManager.resume(folder)
    else:
        manager = ExperimentFileManager.create(experiment.name, *texts, base_dir=args.base_dir, overwrite=args.overwrite)
    tags = [tag for tag in args.wandb_tags.split(":") if tag]
    wandb = None if args.no_wandb else {"project": args.wandb_project, "tags": tags, "name": experiment.name}
    with contextlib.closing(manager):
        log.write_to(manager.log_path)
        try:
            if args.is_continue:
                trainer.restore()
            if goes_on:
                # Only now: the weights that the run began with may be gone, ...
                check_fit(experiment)
                # ... and options that it cannot go on with must not stay in its folder.
                manager.rewrite(*texts)
            with contextlib.closing(make_writer(manager.exp_dir, wandb=wandb, config=root.get_resolved_json())) as writer:
                trainer.writer = writer
                _log.info("experiment  %s", manager.exp_dir)
                trainer.run()
        except Exception:
            _log.debug("the run ended with an error", exc_info=True)
            raise
        report_training(manager)
    return 0


def resolved_changes(path: Path, resolved: Mapping[str, Any]) -> list[str]:
    """Returns a sentence for each value that differs from those in a `config_resolved.json`."""
    try:
        before = flatten(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return []
    now = flatten(json.loads(json.dumps(resolved)))
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [f"{name} is {json.dumps(now.get(name))}, was {json.dumps(before.get(name))}" for name in names]


def make_trainer(experiment: Experiment, folder: Path, writer: Any, with_env: bool = True) -> Any:
    """Builds the trainer of an experiment."""
    group = experiment.params["trainer"]
    if not with_env or experiment.vector_env is None:
        group = without_rollouts(group)
    return build(
        group,
        where="trainer",
        model=experiment.model,
        datasets_train=experiment.datasets_train,
        datasets_holdout=experiment.datasets_holdout,
        policy=experiment.policy,
        goal_policy=experiment.goal_policy,
        env_train=experiment.vector_env,
        env_holdout=experiment.env_holdout,
        policy_holdout=experiment.policy_holdout,
        goal_policy_holdout=experiment.goal_policy_holdout,
        reward=experiment.reward,
        writer=writer,
        folder=folder,
        seed=experiment.seed,
        fingerprint=recorded_fingerprint(experiment),
    )


def without_rollouts(group: AttrDict) -> AttrDict:
    """Returns a trainer's group with everything that steps an env switched off."""
    off = {f"{verb}_{env}_env_every_n_steps": 0 for verb in ("rollout", "step") for env in ("train", "holdout")}
    declared = {argument.name for argument in getattr(group["cls"], "predefined_arguments", ())}
    switched = [name for name in off if name in declared and group.get(name)]
    if switched:
        _log.warning("no environment: %s off", ", ".join(f"trainer/{name}" for name in switched))
    return AttrDict({**group, **{name: 0 for name in off if name in declared}})
