"""`muse envs`: the worlds that there are, one of them in full, its picture and its speed, and their page."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from muse.cli.common import make_parser, run
from muse.cli.envs.measuring import measure_speed, save_picture, take_picture
from muse.cli.envs.page import write_page
from muse.cli.envs.results import RESULTS
from muse.cli.envs.tables import ROLES, SPEC_HEAD, class_texts, option_rows, paragraphs_of, spec_rows, text_table, wrapped
from muse.cli.envs.worlds import World, commands_of, find_experiment, find_worlds, load_world
from muse.experiments.logger import logging_to
from muse.utils.errors import MissingExtraError, OptionError
from muse.utils.machine import machine_name

_DESCRIPTION = """List the worlds that there are: the recipes of cfgs/env that name an environment.

Of one of them, by its name or by the path of a recipe (of an experiment, too), print what it is, the names of its observations, goals,
actions and params with shapes, limits and units, its options, and what to type to collect from it and to train in it. Options of the
recipe may follow it.
Examples:
  muse envs
  muse envs push_block
  muse envs --picture /tmp/maze.png --speed maze --num_maze_cells 7
  muse envs --write docs"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION, config=False)
    parser.add_argument("config", nargs="?", metavar="WORLD", help="a world's name, or a recipe; options of the recipe follow it")
    parser.add_argument(
        "--picture", metavar="FILE", help="draw a moment while the expert is at work, or the start where there is no expert"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the episode of the picture (default: 0)")
    parser.add_argument(
        "--at",
        type=_share,
        default=0.4,
        metavar="SHARE",
        help="moment of the picture in that episode; 0: its start (default: 0.4)",
    )
    parser.add_argument("--speed", action="store_true", help="measure how many steps a second it takes with random actions")
    parser.add_argument(
        "--write", metavar="DIR", help="write the page of all worlds, DIR/worlds.md, and their pictures, DIR/worlds/*.png"
    )
    parser.add_argument("--keep_pictures", action="store_true", help="with --write: draw only those that are not there")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="FILE", help=f"with --write: what was measured (default: {RESULTS})"
    )
    return run(_work, parser, argv)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to 1")
    return value


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    with logging_to(debug=args.debug):
        if args.write and args.config:
            raise OptionError("muse envs --write", f"the world '{args.config}'", "no world: the page is of all of them")
        if (args.picture or args.speed) and not args.config:
            raise OptionError("muse envs", "--picture or --speed without a world", "a world's name, after the flags")
        if args.write:
            print(write_page(Path(args.write), find_worlds(), args.results, args.keep_pictures))
            return 0
        width = shutil.get_terminal_size((100, 24)).columns
        if not args.config:
            print("\n".join(list_lines(find_worlds(), width)))
            return 0
        world = load_world(args.config, unknown)
        if args.picture:
            save_picture(take_picture(world, args.seed, args.at), args.picture)
            print(f"picture  {args.picture}")
        if args.speed:
            print(f"speed    {measure_speed(world):,.0f} steps in a second of processor time, resets apart ({machine_name()})")
        if not (args.picture or args.speed):
            print("\n".join(world_lines(world, width, is_changed=bool(unknown))))
    return 0


def list_lines(worlds: Sequence[World], width: int) -> Iterator[str]:
    """Yields the table of all worlds for a terminal of `width` columns."""
    head = ("world", "class", "steps", "extra", "")
    rows = [
        (
            world.name,
            world.cls.__name__,
            str(world.time_limit or ""),
            "" if world.need is None else f"({world.need.name})" if world.need.missing else world.need.name,
            world.summary if world.expert else f"{world.summary} (without an expert)",
        )
        for world in worlds
    ]
    yield from text_table(head, {"": rows}, width, right=(2,), below=True)
    yield ""
    yield from wrapped(
        "recipes: cfgs/env/<world>.py; experts: cfgs/policy/<world>_expert.py; all of one: muse envs <world>", width, "  "
    )
    missing = {world.need.name: world.need.command for world in worlds if world.need is not None and world.need.missing}
    for name, command in missing.items():
        yield f"  {name} is missing: {command}"


def world_lines(world: World, width: int, is_changed: bool = False) -> Iterator[str]:
    """Yields all that is said of a world, for a terminal of `width` columns.

    Args:
        is_changed: Its options are not those of its recipe: nothing is said of other recipes.
    """
    yield f"{world.name}: {world.cls.__name__}"
    for paragraph in paragraphs_of(world.description):
        yield from wrapped(paragraph, width, "  ")
    yield ""
    facts = [("recipe", world.recipe), ("class", f"{world.cls.__module__}.{world.cls.__qualname__}")]
    if world.time_limit:
        facts.append(("episode", f"{world.time_limit} steps at most"))
    if world.need is not None:
        state = f"missing: {world.need.command}" if world.need.missing else "installed"
        facts.append(("extra", f"{world.need.name}, {state}"))
    facts.append(("by hand", ", ".join(world.cls.teleop_inputs) or "no"))
    facts.append(("expert", world.expert or "none"))
    if not is_changed:
        experiment = find_experiment(world)
        facts += [("learnt by", experiment)] if experiment else []
        facts += [(words[1].removeprefix("goal_"), " ".join(words)) for words in commands_of(world, experiment)]
    yield from (f"  {label:<10} {text}" for label, text in facts)
    for cls, paragraphs in class_texts(world.cls):
        yield ""
        yield f"{cls.__name__}:"
        for i, paragraph in enumerate(paragraphs):
            yield from ["", *wrapped(paragraph, width, "  ")][i == 0 :]
    yield ""
    try:
        rows = spec_rows(world.make_spec())
    except MissingExtraError as error:
        yield f"observations and actions: {error}"
    else:
        yield from text_table(SPEC_HEAD, {f"\n{ROLES[role]}": group for role, group in rows.items()}, width)
    yield ""
    yield from text_table((), {"options": option_rows(world)}, width)
