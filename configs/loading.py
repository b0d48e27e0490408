"""`path | exp=<folder>` and a command line -> params and root."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.command_line import Segment, append, from_text, is_flag, join, split
from configs.config_node import ConfigNode, make_node
from configs.config_root import ConfigRoot, describe_changes
from configs.errors import ConfigError, FolderError, UnknownOptionError
from configs.help_text import tree_help
from configs.sources import load_file


class HelpRequested(Exception):
    """`--help` stood after the config; the message is the help."""


@dataclass(frozen=True)
class Source:
    """A config before any command line of today.

    Attributes:
        name: As the user wrote it.
        export: What the file exports; never changed.
        text: The file's text.
        stored: Arguments that an experiment folder keeps.
        folder: The experiment folder, or None.
    """

    name: str
    export: Any
    text: str
    stored: Segment
    folder: Path | None = None


def load_config(
    config: str | os.PathLike[str], args: Sequence[str] = (), reads: Iterable[str] | None = None
) -> tuple[Any, ConfigRoot]:
    """Loads a config, applies a command line and resolves the tree.

    Args:
        config: Path of a config file (`cfgs/...` is found in the installed package too), or `exp=<experiment folder>`.
        args: What stood after it on the command line.
        reads: Names of root keys and groups that the script reads, `dataset_train_*` for many; any other key of the root that
            no field and no name reads is an error. None leaves the root unchecked; groups are checked always.

    Returns:
        The values, an `AttrDict` that is the caller's, and the root.

    Raises:
        ConfigError: For anything that the user got wrong.
        HelpRequested: When `--help` is among `args`.
    """
    source = read_source(str(config))
    wants_help = any(token in ("--help", "-h") for token in args)
    given = split(token for token in args if token not in ("--help", "-h"))
    segment = append(source.stored, given)
    node = _open(source.export, segment, getattr(args, "script_flags", ()))
    if wants_help:
        raise HelpRequested(tree_help(node, source.name))
    root = ConfigRoot(node, reads, source.text, join(segment), lambda: _find_changes(source))
    return root.get_params(), root


def resolve_export(export: Any, args: Sequence[str] = (), reads: Iterable[str] | None = None) -> tuple[Any, ConfigRoot]:
    """Does what `load_config` does for a config that is in memory: an `AttrDict` or a `ConfigNode` subclass."""
    node = _open(export, split(args), ())
    root = ConfigRoot(node, reads, tokens=args)
    return root.get_params(), root


def read_source(config: str) -> Source:
    """Reads a config file, or the files of an experiment folder.

    Raises:
        ConfigError: When they are not there, or damaged.
    """
    config = config.removeprefix("--") if config.startswith("--exp=") else config
    if not config.startswith("exp="):
        export, text = load_file(config)
        return Source(config, export, text, Segment())
    folder = Path(config[len("exp=") :])
    _check_folder(folder)
    export, text = load_file(str(folder / "config.py"))
    stored = Segment()
    if (folder / "config_args.txt").is_file():
        try:
            stored = split(from_text((folder / "config_args.txt").read_text(encoding="utf-8")))
        except (ValueError, ConfigError) as error:
            raise FolderError(str(folder), f"config_args.txt cannot be read: {error}") from error
    return Source(config, export, text, stored, folder)


def _open(export: Any, segment: Segment, script_flags: Iterable[str]) -> ConfigNode:
    root = make_node(export)
    if segment.tokens and not is_flag(segment.tokens[0]) and segment.tokens[0].endswith(".py"):
        raise ConfigError(
            "command line",
            f"a second config '{segment.tokens[0]}'; expected options of the first",
            f"%group {segment.tokens[0]} to replace a group",
        )
    try:
        return root.open([segment])
    except UnknownOptionError as error:
        raise UnknownOptionError(
            error.path, error.flag, error.flags, _flags_of_groups(export, error.path), script_flags
        ) from None


def _flags_of_groups(export: Any, path: str) -> dict[str, list[str]]:
    """Returns every flag of a config without a command line, with the spelling of the groups that have it; `path` is left out."""
    try:
        nodes = list(make_node(export).open([Segment()]).walk())
    except ConfigError:
        return {}
    flags: dict[str, list[str]] = {}
    for node in nodes:
        for option in node.options.values() if node.path != path else ():
            flags.setdefault(option.flag, []).append(node.spelling)
    return flags


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        parent = folder.parent
        names = [str(entry) for entry in parent.iterdir() if entry.is_dir()] if parent.is_dir() else []
        near = difflib.get_close_matches(str(folder), names, n=1)
        raise FolderError(str(folder), "no such folder" if not folder.exists() else "not a folder", near[0] if near else "")
    if not (folder / "config.py").is_file():
        raise FolderError(str(folder), "no config.py in it; expected an experiment folder")


def _find_changes(source: Source) -> list[str]:
    if source.folder is None:
        return []
    file = source.folder / "config_resolved.json"
    if not file.is_file():
        return [f"{file} is not there, so nothing can be said about what changed since"]
    try:
        then = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FolderError(str(source.folder), f"config_resolved.json cannot be read: {error}") from error
    return describe_changes(then, lambda: ConfigRoot(_open(source.export, source.stored, ())).get_resolved_json())
