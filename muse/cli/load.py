"""Muse from Python, without a script: `muse.load`, `muse.assemble`, `muse.rollout`."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from attrdict import AttrDict

from configs.helpers import load_base_config
from muse.cli.acting import restore
from muse.experiments.assemble import ROOT_KEYS, Experiment, assemble
from muse.experiments.file_manager import ExperimentFileManager


def load(
    folder: str | PathLike[str],
    *options: str,
    model_file: str | None = None,
    with_datasets: bool = False,
    num_envs: int | None = None,
    allow_mismatch: bool = False,
) -> Experiment:
    """Rebuilds a trained experiment, weights included.

        experiment = muse.load("experiments/point_mass/...")
        episode = muse.rollout(experiment.env, experiment.policy, experiment.model, seed=3)

    Args:
        folder: The experiment's folder.
        options: Words of a command line after the recipe: `"%env_train", "--noise_std", "0.01"`.
        model_file: Checkpoint in `models/`, or a path; the best one, or else the latest, when None.
        with_datasets: Load the data too.
        num_envs: Environments stepped together in `vector_env`; what the recipe says when None.
        allow_mismatch: Warn of weights that were trained for another environment (class, options, simulator) instead of
            refusing them.

    Returns:
        The experiment, its model in evaluation mode.

    Raises:
        ExperimentError: When the folder or the checkpoint is missing.
        ConfigError: For options that the recipe does not have.
        FingerprintError: When the weights were trained for another environment.
    """
    manager = ExperimentFileManager.open(Path(folder))
    params, root = load_base_config(f"exp={manager.exp_dir}", list(options), reads=ROOT_KEYS)
    experiment = assemble(
        params, root.get_exp_name(), with_datasets=with_datasets, num_envs=num_envs, allow_mismatch=allow_mismatch
    )
    if experiment.model is not None:
        restore(experiment, manager, model_file)
    return experiment


def load_params(config: str, *options: str) -> AttrDict:
    """Returns the resolved params of a recipe, for `muse.assemble`: `muse.load_params("cfgs/exp_point_mass/bc_rnn.py", "--seed", "3")`."""
    return load_base_config(config, list(options), reads=ROOT_KEYS)[0]
