"""`muse convert`: from any form of a dataset to any other, with a report of what became of every name."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from muse import __version__
from muse.cli.common import make_parser, run
from muse.datasets.formats.conversion import convert
from muse.datasets.formats.fates import Fate, parse_names
from muse.datasets.formats.format import Format, Tell
from muse.datasets.formats.registry import find_format, format_names, get_format
from muse.datasets.formats.work import FULL
from muse.experiments.file_manager import ExperimentError
from muse.experiments.logger import logging_to
from muse.utils.abstract import Argument
from muse.utils.errors import OptionError
from muse.utils.files import say_where
from muse.utils.progress import Progress

_DESCRIPTION = """Convert a dataset. From what to what is told by the endings of the two names, and for folders without one by --to (--from is
found out from what is in the folder):

{forms}

Every name of the source is listed with what became of it. --map gives another name, --map NAME= leaves one out, --mask takes only some
episodes. Arrays that another project has no place for are kept in a place of our own, so that data of Muse comes back as it was.

DST appears when it is whole, and not before. A conversion that was interrupted, however roughly, goes on where it was when the same
command is given again; what it has done lies in the folder .DST.work until then.

Examples:
  muse convert low_dim.hdf5 data/hvsBlock3D/human_square_30k.npz
  muse convert image_v141.hdf5 data/square/ph_image.muse --map obs/agentview_image=front_image --map next_obs/object=
  muse convert pusht_cchi_v7_replay.zarr data/pusht.muse
  muse convert data/square/mine.npz mine.hdf5
  muse convert data/square/mine.npz mine-v0 --to minari --dataset_id square/mine-v0"""

#: What is said of each form in the help.
_FORMS = {
    "npz": "Muse's archive of arrays",
    "muse": "Muse's memory-mapped folder, for images and for data larger than memory",
    "robomimic": "a dataset of robomimic",
    "lerobot": "a dataset of LeRobot, a folder",
    "zarr": "a replay buffer of diffusion_policy",
    "minari": "a dataset of Minari, a folder",
    "episodes": "a folder with one .npz for each episode",
}


def main(argv: Sequence[str] | None = None, prog: str | None = None, description: str = "") -> int:
    """Runs the verb and returns its exit status."""
    classes = [get_format(name) for name in format_names()]
    forms = "\n".join(f"  {cls.name:<10} {', '.join(cls.suffixes) or '(no ending)':<18} {_FORMS[cls.name]}" for cls in classes)
    parser = make_parser(prog, description or _DESCRIPTION.format(forms=forms), config=False)
    parser.add_argument("source", metavar="SRC", help="the dataset")
    parser.add_argument("target", metavar="DST", help="where to write it")
    names = [cls.name for cls in classes]
    parser.add_argument(
        "--to", choices=names, metavar="FORM", help=f"what DST is to be, where its ending does not say: {', '.join(names)}"
    )
    parser.add_argument(
        "--from", dest="source_form", choices=names, metavar="FORM", help="what SRC is, where neither ending nor content says"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is at DST")
    parser.add_argument(
        "--mask",
        nargs="+",
        default=[],
        metavar="NAME",
        help="only the episodes of these splits (robomimic calls them filter keys)",
    )
    parser.add_argument(
        "--map", action="append", default=[], metavar="SRC=DST",
        help="another name for one of the source's; nothing after =: leave it out",
    )  # fmt: skip
    options = _add_options(parser, classes)
    return run(lambda args, unknown: _work(args, options), parser, argv)


def _add_options(parser: argparse.ArgumentParser, classes: Sequence[type[Format]]) -> dict[str, list[str]]:
    """Adds the options of all forms. Returns the forms that take each."""
    takers: dict[str, list[str]] = {}
    for cls in classes:
        own = [argument for argument in cls.get_predefined_arguments().values() if argument.type in (int, float, str, bool)]
        group = parser.add_argument_group(f"options of {cls.name}") if any(a.name not in takers for a in own) else None
        for argument in own:
            if argument.name not in takers:
                assert group is not None
                group.add_argument(f"--{argument.name}", default=argparse.SUPPRESS, **_flag_of(argument))
            takers.setdefault(argument.name, []).append(cls.name)
    return takers


def _flag_of(argument: Argument) -> dict[str, Any]:
    default = "" if argument.default in (None, "", False) else f" (default: {argument.default})"
    words = {"help": (argument.help + default).replace("%", "%%"), "choices": argument.choices}
    if argument.type is bool:
        return {"action": argparse.BooleanOptionalAction, "help": words["help"]}
    metavar = None if argument.choices else {int: "N", float: "X", str: "TEXT"}[argument.type]
    return {**words, "type": argument.type, "metavar": metavar}


def _work(args: argparse.Namespace, takers: dict[str, list[str]]) -> int:
    source, target = Path(args.source), Path(args.target)
    reader = get_format(args.source_form) if args.source_form else find_format(source, is_source=True)
    writer = get_format(args.to) if args.to else find_format(target)
    given = {name: getattr(args, name) for name in takers if hasattr(args, name)}
    for name in given:
        if not {reader.name, writer.name} & set(takers[name]):
            got = f"an option of {' and '.join(takers[name])}, which neither {source} ({reader.name}) nor {target} ({writer.name}) is"
            raise OptionError(f"--{name}", got, "options of the forms that are converted")
    if target.exists() and not args.overwrite:
        raise ExperimentError(str(target), "is there already", "a new name", "--overwrite to replace it")
    names = parse_names(args.map, "--map")
    options = {**given, "version of Muse": __version__}

    def build(cls: type[Format]) -> Format:
        return cls({name: value for name, value in given.items() if cls.name in takers[name]})

    with logging_to(debug=args.debug), contextlib.ExitStack() as stack:
        bars = _Bars({"read": source.name, "write": target.name}, stack)
        try:
            episodes, fates = convert(source, target, build(reader), build(writer), names, args.mask, options, bars.stage)
        except (KeyboardInterrupt, OSError) as error:
            say_where(error, target)
            if not isinstance(error, OSError) or error.errno in FULL:
                print("the same command goes on from here", file=sys.stderr)
            raise
    print(f"{source} -> {target}: {episodes} episodes")
    _print_report(fates)
    return 0


class _Bars:
    """A progress line for each stage, opened when it is first told of."""

    def __init__(self, descriptions: dict[str, str], stack: contextlib.ExitStack) -> None:
        self._descriptions, self._stack = descriptions, stack
        self._open: contextlib.ExitStack | None = None

    def stage(self, name: str) -> Tell:
        """Returns what is told of the episodes of a stage."""
        bar: Progress | None = None

        def tell(done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                if self._open is not None:
                    self._open.close()
                self._open = self._stack.enter_context(contextlib.ExitStack())
                bar = self._open.enter_context(Progress(name, total, "episodes", self._descriptions[name], initial=done - 1))
            bar.update(done)

        return tell


def _print_report(fates: Sequence[Fate]) -> None:
    left, right = (max(len("left out"), *(len(getattr(fate, side)) for fate in fates)) for side in ("source", "became"))
    for fate in fates:
        became = f"-> {fate.became:<{right}}" if fate.became else f"   {'left out':<{right}}"
        print(f"  {fate.source:<{left}}  {became}  {fate.note}".rstrip())
