"""`muse resolve`: what a recipe and a command line come to."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from muse.cli.common import load_config, make_parser, run
from muse.utils.errors import OptionError, nearest

_DESCRIPTION = """Print the experiment's name and every value of the resolved recipe, each with where it came from
(recipe, class default, field, command line)."""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION)
    parser.add_argument("--query", metavar="PATH", help="print only the values under this path, such as model/action_decoder")
    parser.add_argument("--name_only", action="store_true", help="print the experiment's name alone")
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    _, root, _ = load_config(args, unknown)
    if args.name_only:
        print(root.get_exp_name())
        return 0
    rows = [(str(path), value, origin) for path, value, origin in root.get_origins()]
    if args.query is not None:
        query = args.query.strip("/")
        wanted = [row for row in rows if row[0] == query or row[0].startswith(query + "/")]
        if not wanted:
            raise OptionError(
                f"--query {args.query}",
                "no such path" + nearest(query, (row[0] for row in rows)),
                "a path of the tree",
                "resolve without --query",
            )
        rows = wanted
    print(f"name: {root.get_exp_name()}")
    width = max(len(path) for path, _, _ in rows)
    for path, value, origin in rows:
        print(f"{path:<{width}}  {_show(value)}  [{origin}]")
    return 0


def _show(value: object) -> str:
    name = getattr(value, "__qualname__", None)
    return f"{value.__module__}.{name}" if name else repr(value)  # type: ignore[attr-defined]
