"""The page of the worlds: a section with picture, tables and results for each, made anew whenever a world changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from muse.cli.envs.measuring import save_picture, take_picture
from muse.cli.envs.results import read_results
from muse.cli.envs.tables import SPEC_HEAD, changed_options, class_texts, markdown_table, paragraphs_of, spec_rows
from muse.cli.envs.worlds import World, commands_of, find_experiment
from muse.envs.env import Env
from muse.utils.files import atomic_write

#: Larger side of the pictures [px].
PICTURE_SIZE = 300
_HEAD = """\
# Worlds

Every world that Muse comes with: a recipe of `cfgs/env`, and where it has one the expert that demonstrates it. Written by
`muse envs --write docs`, from the recipes and classes themselves and from what `benchmarks/worlds.py` measured; not by hand.

```sh
muse envs
muse envs push_block
```

The first lists the worlds and says what is to be installed for those that are missing. The second tells all of one, its options too;
`--picture` draws it and `--speed` times it. How to use a world in an experiment, and how to bring your own: [the guide](../muse/README.md).

An expert's success is over seeded resets, a learnt policy's over other seeded episodes after training on the expert's demonstrations, each
with Wilson's 95% interval. Steps a second are those of one environment in a second of processor time, under random actions, resets apart, on
the machine that its section names.
"""
_CLASSES = """\
## Classes

What the classes of the worlds say of themselves: rules, rewards, presets. Options are listed by `muse envs <world>`.
"""


def write_page(folder: Path, worlds: Sequence[World], results_file: Path, keep_pictures: bool = False) -> str:
    """Writes `worlds.md` and the pictures `worlds/<world>.png`, and returns in words what was written.

    Args:
        folder: Where to.
        worlds: All of them.
        results_file: What was measured; it may be missing.
        keep_pictures: Draw only those that are not there.

    Raises:
        MissingExtraError: When a world's extra is not installed: the page would be without it.
    """
    simulated = [world for world in worlds if not world.cls.is_physical]
    for world in simulated:
        world.check_installed()
    results = read_results(results_file)
    drawn = 0
    for world in simulated:
        picture = picture_of(folder, world)
        if not (keep_pictures and picture.is_file()):
            save_picture(take_picture(world), picture, PICTURE_SIZE)
            drawn += 1
    page = folder / "worlds.md"
    with atomic_write(page, "w") as file:
        file.write(make_page(worlds, results))
    return f"{page}: {len(worlds)} worlds, {drawn} pictures drawn in {picture_of(folder, worlds[0]).parent if worlds else folder}"


def picture_of(folder: Path, world: World) -> Path:
    """Returns where the picture of a world lies beside the page in `folder`."""
    return folder / "worlds" / f"{world.name}.png"


def make_page(worlds: Sequence[World], results: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the text of the page."""
    head = ("world", "what is to be done", "steps", "extra", "expert solves", "learnt policy solves", "steps/s")
    rows = [overview_row(world, results.get(world.name, {})) for world in worlds]
    sections = [make_section(world, results.get(world.name, {})) for world in worlds]
    return "\n".join([_HEAD, *markdown_table(head, rows), "", *sections, _CLASSES, *_classes(worlds)])


def overview_row(world: World, found: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns a world's row of the table at the top of the page.

    Args:
        found: Its results, by kind.
    """
    speed = found.get("speed")
    return (
        f"[{world.name}](#{world.name})",
        world.summary,
        str(world.time_limit or ""),
        f"`{world.need.name}`" if world.need else "",
        str(found.get("expert", "" if world.expert else "no expert")),
        str(found.get("bc", "")),
        f"{speed.steps_per_second:,.0f}" if speed else "",
    )


def make_section(world: World, found: Mapping[str, Any]) -> str:
    """Returns the section of a world.

    Args:
        found: Its results, by kind.
    """
    experiment = find_experiment(world)
    picture = [] if world.cls.is_physical else [f"![{world.name}](worlds/{world.name}.png)", ""]
    lines = [f"## {world.name}", "", *picture]
    lines += _prose(paragraphs_of(world.description))
    lines += [f"- {label}: {text}" for label, text in _facts(world, experiment, found)] + [""]
    named = [
        (f"`{row[0]}`", role.replace("_", " ") or "recorded", *row[1:])
        for role, rows in spec_rows(world.make_spec()).items()
        for row in rows
    ]
    lines += [*markdown_table((SPEC_HEAD[0], "role", *SPEC_HEAD[1:]), named), ""]
    if commands := commands_of(world, experiment):
        lines += ["```text", *map(" ".join, commands), "```", ""]
    return "\n".join(lines)


def _facts(world: World, experiment: str, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    cls, changed = world.cls, changed_options(world)
    facts = [("class", f"[`{cls.__module__}.{cls.__name__}`](#{cls.__name__.lower()})")]
    facts.append(
        (
            "recipe",
            f"`{world.recipe}`" + ("" if not changed else ", which sets ") + ", ".join(f"`{k}={v}`" for k, v in changed.items()),
        )
    )
    facts += [("episode", f"{world.time_limit} steps at most")] if world.time_limit else []
    facts += [("extra", f"`{world.need.name}`")] if world.need else []
    facts += [("driven by hand", ", ".join(world.cls.teleop_inputs))] if world.cls.teleop_inputs else []
    if world.expert:
        expert = found.get("expert")
        facts.append(
            ("expert", f"`{world.expert}`" + (f", solves {expert}, in {expert.mean_steps:g} steps on average" if expert else ""))
        )
    if experiment:
        facts.append(("learnt by", f"`{experiment}`"))
    if bc := found.get("bc"):
        amount = (
            f"{bc.demonstrations} demonstrations, {bc.training_steps:,} training steps, {bc.minutes:g} minutes on {bc.machine}"
        )
        facts.append(("learnt", f"solves {bc} by `{bc.recipe}`: {amount}"))
    if speed := found.get("speed"):
        facts.append(("speed", f"{speed.steps_per_second:,.0f} steps/s on {speed.machine}"))
    return facts


def _classes(worlds: Sequence[World]) -> list[str]:
    """Returns the lines about every class of the worlds, those that they derive from after them."""
    texts: dict[type[Env], list[str]] = {}
    for world in worlds:
        texts |= dict(class_texts(world.cls))
    lines = []
    for cls, paragraphs in texts.items():
        bases = [base.__name__ for base in cls.__mro__[1:] if base in texts]
        lines += [f"### {cls.__name__}", ""] + (
            [f"Derives from {', '.join(f'[{b}](#{b.lower()})' for b in bases)}.", ""] if bases else []
        )
        lines += _prose(paragraphs)
    return lines


def _prose(paragraphs: Sequence[str]) -> list[str]:
    lines = []
    for paragraph in paragraphs:
        # An indented paragraph is a block; the page has no other than fenced ones.
        lines += ["```text", paragraph, "```", ""] if paragraph.startswith("    ") else [paragraph, ""]
    return lines
