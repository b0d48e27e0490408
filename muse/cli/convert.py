"""`muse convert`: from one form of a dataset to another, with a report of what became of every name."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from muse.cli.common import make_parser, run
from muse.datasets.dataset import DataError
from muse.datasets.formats import robomimic
from muse.datasets.formats.fates import Fate, parse_names
from muse.datasets.loading import read_file, write_file
from muse.experiments.file_manager import ExperimentError
from muse.experiments.logger import logging_to
from muse.utils.errors import OptionError
from muse.utils.progress import Progress

#: Endings of Muse's own forms, and of the forms of others.
NATIVE, FOREIGN = (".npz", ".muse"), {".hdf5": robomimic, ".h5": robomimic}

_DESCRIPTION = """Convert a dataset. The endings of the two names say from what to what:

  .npz         Muse's archive of arrays
  .muse        Muse's memory-mapped folder, for images and for data larger than memory
  .hdf5, .h5   a dataset of robomimic

Every name of the source is listed with what became of it. Names are those of `muse.datasets.formats.robomimic`, unless --map says
otherwise; --map NAME= leaves one out. What came from robomimic goes back there with its attributes and filter keys.
Examples:
  muse convert low_dim_v141.hdf5 data/square/ph.npz --mask train
  muse convert image_v141.hdf5 data/square/ph_image.muse --map obs/agentview_image=front_image --map next_obs/object=
  muse convert data/square/mine.npz mine.hdf5"""


def main(argv: Sequence[str] | None = None, prog: str | None = None, description: str = _DESCRIPTION) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, description, config=False)
    parser.add_argument("source", metavar="SRC", help="the dataset")
    parser.add_argument("target", metavar="DST", help="where to write it")
    parser.add_argument("--overwrite", action="store_true", help="replace what is at DST")
    parser.add_argument(
        "--mask",
        nargs="+",
        default=[],
        metavar="NAME",
        help="only the episodes of these filter keys of robomimic (splits of Muse)",
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="SRC=DST",
        help="another name for one of the source's; nothing after =: leave it out",
    )
    parser.add_argument(
        "--ep_prefix",
        default="demo_",
        metavar="TEXT",
        help="what robomimic's episodes are called, before the number (default: demo_)",
    )
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    source, target = Path(args.source), Path(args.target)
    _check_endings(source, target)
    if target.exists() and not args.overwrite:
        raise ExperimentError(str(target), "is there already", "a new name", "--overwrite to replace it")
    names = parse_names(args.map, "--map")
    convert = _read_foreign if source.suffix in FOREIGN else _write_foreign
    with logging_to(debug=args.debug):
        episodes, fates = convert(args, source, names, target)
    print(f"{source} -> {target}: {episodes} episodes")
    _print_report(fates)
    return 0


def _check_endings(source: Path, target: Path) -> None:
    for path in (source, target):
        if path.suffix not in (*NATIVE, *FOREIGN):
            got = f"a name that ends in '{path.suffix}'"
            raise DataError(str(path), got, "one that ends in " + ", ".join((*NATIVE, *FOREIGN)))
    if (source.suffix in NATIVE) == (target.suffix in NATIVE):
        kind = "both of Muse" if source.suffix in NATIVE else "none of Muse"
        raise OptionError(f"{source} -> {target}", kind, f"one that ends in {' or '.join(NATIVE)}, and one of another form")


@contextlib.contextmanager
def _scratch(target: Path) -> Iterator[Path | None]:
    """A folder for arrays that may be larger than memory, where the destination is of that kind."""
    if target.suffix != ".muse":
        yield None
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp") as folder:
        yield Path(folder)


def _read_foreign(args: argparse.Namespace, source: Path, names: Mapping[str, str], target: Path) -> tuple[int, list[Fate]]:
    with (
        _scratch(target) as scratch,
        FOREIGN[source.suffix].Reader(source, args.ep_prefix, args.mask) as reader,
        Progress("convert", reader.num_episodes, "episodes", source.name) as bar,
    ):
        data, fates = reader.read(names, bar.update, scratch)
        write_file(target, data)
    return len(data.ends), fates


def _write_foreign(args: argparse.Namespace, source: Path, names: Mapping[str, str], target: Path) -> tuple[int, list[Fate]]:
    data = read_file(source)
    with Progress("convert", len(data.ends), "episodes", target.name) as bar:
        fates = FOREIGN[target.suffix].write(target, data, names, args.mask, args.ep_prefix, bar.update)
    return bar.done, fates


def _print_report(fates: Sequence[Fate]) -> None:
    left, right = (max(len("left out"), *(len(getattr(fate, side)) for fate in fates)) for side in ("source", "became"))
    for fate in fates:
        became = f"-> {fate.became:<{right}}" if fate.became else f"   {'left out':<{right}}"
        print(f"  {fate.source:<{left}}  {became}  {fate.note}".rstrip())
