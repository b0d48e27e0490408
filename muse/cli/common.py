"""What every verb shares: the header, the flags, and how a mistake is shown."""

from __future__ import annotations

import argparse
import glob
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from configs.helpers import get_script_parser, load_base_config
from muse.experiments.assemble import ROOT_KEYS
from muse.experiments.file_manager import CONFIG_FILE, ExperimentError, ExperimentFileManager
from muse.utils.errors import MuseError, nearest
from muse.utils.files import check_writable

_log = logging.getLogger(__name__)


def make_parser(prog: str | None, description: str, config: bool = True) -> argparse.ArgumentParser:
    """Returns the parser of a verb, with the flags that all verbs have."""
    parser = get_script_parser(prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if config:
        parser.add_argument(
            "config", type=str, help="a recipe (path to a .py file) or exp=<experiment folder>; options of the recipe follow it"
        )
    parser.add_argument("--debug", action="store_true", help="show tracebacks and debug records")
    return parser


def _describe_unknown(unknown: Sequence[str], parser: argparse.ArgumentParser) -> str:
    """Returns what to say of words that a command line has no place for: of a misspelt flag, not of the value behind it."""
    flags = [word.partition("=")[0] for word in unknown if word.startswith("-")]
    if not flags:
        return f"unknown arguments: {' '.join(unknown)}"
    known = [flag for action in parser._actions for flag in action.option_strings]
    return f"no flag '{flags[0]}' of this script{nearest(flags[0], known)}"


def run(
    work: Callable[[argparse.Namespace, list[str]], int],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
) -> int:
    """Parses a command line, does the work and returns the exit status.

    A mistake of the user, or a disk that is full or not writable, prints as its message alone, with status 2 for a wrong
    command line or config and 1 otherwise; `--debug` shows the traceback too. An interrupt gives 130.
    """
    args, unknown = parser.parse_known_args(None if argv is None else list(argv))
    if unknown and not hasattr(args, "config"):
        parser.error(_describe_unknown(unknown, parser))
    try:
        return work(args, unknown)
    except MuseError as error:
        _log.debug("traceback", exc_info=True)
        if args.debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        for note in getattr(error, "__notes__", []):
            print(f"  {note}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has gone (`muse resolve ... | head`); nothing is left to say and nobody to say it to.
        sys.stderr.close()
        return 141
    except OSError as error:
        _log.debug("traceback", exc_info=True)
        if args.debug:
            traceback.print_exc()
        print(f"error: {describe_os_error(error)}", file=sys.stderr)
        return 1


def describe_os_error(error: OSError) -> str:
    """Returns what the system refused: the file, and why."""
    files = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
    reason = error.strerror or str(error) or type(error).__name__
    return f"{' -> '.join(files)}: {reason}" if files else f"{reason} (--debug shows where)"


def check_output(path: Path, overwrite: bool, is_folder: bool = False) -> None:
    """Checks that a file can be written at `path` when the work is done.

    Args:
        path: Of the file.
        overwrite: Replace what is there.
        is_folder: It is a folder that is to be written.

    Raises:
        ExperimentError: When it is there already, is a folder in the place of a file or the other way around, or cannot be made.
    """
    if path.exists() and not overwrite:
        raise ExperimentError(str(path), "is there already", "a new name", "--overwrite to replace it")
    if path.exists() and path.is_dir() != is_folder:
        kinds = ("a folder", "a file") if path.is_dir() else ("a file", "a folder")
        raise ExperimentError(str(path), kinds[0], f"{kinds[1]}, or nothing yet")
    try:
        check_writable(path)
    except OSError as error:
        raise ExperimentError(str(path), f"cannot be written ({error.strerror})", "a folder that may be written to") from error


def load_config(
    args: argparse.Namespace, unknown: list[str], reads: Iterable[str] = ()
) -> tuple[Any, Any, ExperimentFileManager | None]:
    """Loads the recipe that a command line names.

    Returns:
        The params, the root node, and the experiment's folder where the recipe is `exp=<folder>`.
    """
    manager = None
    args.config = spell_experiment(args.config)
    if args.config.startswith("exp="):
        manager = ExperimentFileManager.open(Path(args.config[len("exp=") :]))
    params, root = load_base_config(args.config, unknown, reads=(*ROOT_KEYS, *reads))
    return params, root, manager


def spell_experiment(config: str) -> str:
    """Returns `exp=<folder>` for the path of an experiment's folder, and for a pattern that exactly one experiment matches.

    Anything else stays as it is.
    """
    path = config.removeprefix("exp=")
    matches = [folder for folder in glob.glob(path) if (Path(folder) / CONFIG_FILE).is_file()]
    return f"exp={matches[0]}" if len(matches) == 1 else config


def require_experiment(manager: ExperimentFileManager | None, what: str) -> ExperimentFileManager:
    """Returns `manager`.

    Raises:
        ExperimentError: When the config was a recipe, which has no weights.
    """
    if manager is None:
        raise ExperimentError(
            what,
            "a recipe has no trained weights",
            "exp=<experiment folder>",
            "--no_model_file for first weights, or --random_policy",
        )
    return manager
