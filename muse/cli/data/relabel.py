"""`muse data relabel`: the same episodes under other names, types, roles and units."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from muse.cli.common import make_parser, run
from muse.cli.data.common import FILE_HELP, add_target, counting
from muse.datasets.tools.expressions import LANGUAGE
from muse.datasets.tools.opening import open_data
from muse.datasets.tools.relabeling import Changes, relabel_data
from muse.experiments.logger import logging_to
from muse.specs.leaf import ROLES
from muse.utils.errors import OptionError

_DESCRIPTION = f"""Write the same episodes with changes: values computed from the names of SRC (--set), then names left out (--drop), then renamed
(--rename); --role, --unit, --limits and --dtype go by the new names.

--set computes a value for each row, or one for the episode where the name begins with 'param/' or 'final/'. What is of "all of it" below
goes over the elements of a row. A name that is there keeps its shape and type; a new one is float32, or bool for a condition.
--dtype refuses what would lose more than the precision of a float.

{LANGUAGE}

Examples:
  muse data relabel data/mine.npz data/dense.npz --set "reward=-norm(ego - target)" --drop truncated
  muse data relabel data/mine.npz data/named.npz --rename ego=robot/position --unit robot/position=m --role speed=observation \\
      --set "speed=norm(diff(ego))" "final/success=last(reward) > 0"
"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION, config=False)
    parser.add_argument("file", metavar="SRC", help=FILE_HELP)
    add_target(parser)
    for flag, form, text in (
        ("set", "NAME=EXPRESSION", "compute a name, new or there"),
        ("rename", "OLD=NEW", "rename a name"),
        ("role", "NAME=ROLE", f"one of {', '.join(ROLES)}, or nothing"),
        ("unit", "NAME=UNIT", "m, rad, m/s"),
        ("limits", "NAME=LOW:HIGH", "the same for all elements; nothing for none: =:1"),
        ("dtype", "NAME=TYPE", "numpy's name: float32, int64, uint8, bool"),
    ):
        parser.add_argument(f"--{flag}", nargs="+", action="extend", default=[], metavar=form, help=text)
    parser.add_argument("--drop", nargs="+", action="extend", default=[], metavar="NAME", help="leave names out")
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    changes = Changes(
        values=_pairs("set", args.set),
        drop=tuple(args.drop),
        rename=_pairs("rename", args.rename),
        roles=_pairs("role", args.role),
        units=_pairs("unit", args.unit),
        limits={name: _limits(name, text) for name, text in _pairs("limits", args.limits).items()},
        dtypes={name: _dtype(name, text) for name, text in _pairs("dtype", args.dtype).items()},
    )
    if changes == Changes():
        raise OptionError(
            "muse data relabel", "nothing to change", "one of --set, --drop, --rename, --role, --unit, --limits, --dtype"
        )
    with logging_to(debug=args.debug):
        data = open_data(args.file)
        with counting("relabel", "episodes", len(data.ends), args.target) as tell:
            spec = relabel_data(data, args.target, changes, args.overwrite, tell)
    print(f"{args.file} -> {args.target}: {len(data.ends)} episodes")
    width = max(map(len, spec.all_names))
    for leaf in map(spec.leaf, spec.all_names):
        words = (f"{leaf.shape} {leaf.dtype}", leaf.unit, leaf.role.replace("_", " "))
        print(f"  {leaf.name:<{width}}  " + "  ".join(filter(None, words)))
    return 0


def _pairs(flag: str, words: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.strip()
        if not equals or not name or name in pairs:
            raise OptionError(
                f"--{flag} {word}", f"'{name}' twice" if name in pairs else "no NAME=...", "a name, =, its value; each name once"
            )
        pairs[name] = value.strip()
    return pairs


def _limits(name: str, text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    try:
        limits = float(low or -np.inf), float(high or np.inf)
    except ValueError:
        colon = ""
    if not colon or not limits[0] <= limits[1]:
        raise OptionError(f"--limits {name}={text}", "no LOW:HIGH", "two numbers, such as -1:1")
    return limits


def _dtype(name: str, text: str) -> np.dtype:
    try:
        dtype = np.dtype(text)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "fiubU" or not dtype.itemsize:
        raise OptionError(f"--dtype {name}={text}", "no type of numbers or text", "float32, float64, int64, uint8, bool, U16")
    return dtype
