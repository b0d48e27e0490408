"""What `collect` and `interactive_collect` share: the file that episodes are added to."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muse.cli.common import check_output
from muse.datasets.episode_writer import EpisodeWriter
from muse.datasets.loading import format_of, read_file
from muse.experiments.assemble import Experiment, recorded_fingerprint
from muse.experiments.file_manager import ExperimentError
from muse.experiments.provenance import FingerprintError, fingerprint_differences
from muse.specs import SUCCESS, EnvSpec
from muse.utils.errors import OptionError


def add_file_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say where episodes are saved."""
    parser.add_argument("--save_file", required=True, metavar="FILE", help="where to save (.npz, or a .muse folder)")
    parser.add_argument(
        "--continue", dest="is_continue", action="store_true", help="add to the file, from the seed after its last episode's"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file")


def check_collection(path: Path, is_continue: bool, overwrite: bool) -> None:
    """Checks, before anything is built, that the file can be written.

    Raises:
        DataError: For another ending of the name.
        ExperimentError: When it is there already, or cannot be written.
    """
    format_of(path)
    if path.exists() and not (is_continue or overwrite):
        raise ExperimentError(str(path), "the file exists", "a new name", "--continue to add to it, --overwrite to replace it")
    check_output(path, overwrite=True, is_folder=path.suffix == ".muse")


def open_collection(
    path: Path, is_continue: bool, experiment: Experiment, spec: EnvSpec, chosen: Mapping[str, Any]
) -> EpisodeWriter:
    """Returns the dataset to grow: the file's episodes with --continue, else an empty one.

    Args:
        path: Of the file.
        is_continue: Go on after what the file holds, where there is one.
        experiment: Whose environment makes the episodes.
        spec: What they hold.
        chosen: How they are collected: what must not change within a file.

    Raises:
        OptionError: When the file was collected with another seed or policy, or kept other episodes.
        FingerprintError: When it is to go on with another environment.
        DataError: When what is in the file is broken, or has other names than the episodes to come.
    """
    spec_with_success = spec if SUCCESS.name in spec else spec.extended([SUCCESS])
    meta = {"fingerprint": recorded_fingerprint(experiment), "collection": {**chosen, "episodes_seen": 0, "kept": []}}
    if not (is_continue and path.exists()):
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
