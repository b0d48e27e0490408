"""What is said of a world, as rows, and rows as tables: for a terminal and for a page."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from muse.cli.envs.worlds import World
from muse.envs.env import Env, default_env_params
from muse.specs import EnvSpec, Leaf

Row = Sequence[str]
#: Head of the tables of a spec.
SPEC_HEAD = ("name", "shape", "type", "limits", "unit", "meaning")
#: Roles in the order in which they are shown, and what they are called.
ROLES = {
    "observation": "observations", "goal": "goals", "param": "params, known at reset", "action": "actions",
    "output_observation": "outputs of a step", "final": "finals, known at the end", "": "recorded besides",
}  # fmt: skip
#: What stands for infinity in spaces of Gymnasium: the largest float32.
_HUGE = 1e30
#: A last column that would be narrower stands below its row instead.
_NARROW = 24
#: Sections of a docstring that are for programmers.
_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields|Example|Examples):$", re.MULTILINE)


def spec_rows(spec: EnvSpec) -> dict[str, list[Row]]:
    """Returns a row of each name, by role: name, shape, type, limits, unit, meaning."""
    rows: dict[str, list[Row]] = {}
    for role in ROLES:
        leaves = [leaf for leaf in map(spec.leaf, spec.all_names) if leaf.role == role]
        if leaves:
            rows[role] = [
                (
                    leaf.name,
                    " ".join(map(str, leaf.shape)) or "-",
                    str(leaf.dtype),
                    describe_limits(leaf),
                    leaf.unit,
                    leaf.description,
                )
                for leaf in leaves
            ]
    return rows


def describe_limits(leaf: Leaf) -> str:
    """Returns the limits of a name in words, empty where there are none; of more than four elements that differ the widest."""
    if not leaf.size or leaf.dtype == np.bool_:
        return ""
    low, high = leaf.low.reshape(-1), leaf.high.reshape(-1)
    if (low == low[0]).all() and (high == high[0]).all():
        return _describe(low[0], high[0])
    if leaf.size > 4:
        return _describe(low.min(), high.max())
    each = [
        f"+-{high:.4g}" if low == -high and high < _HUGE else _describe(low, high) or "any"
        for low, high in zip(low, high, strict=True)
    ]
    return ", ".join(each)


def _describe(low: float, high: float) -> str:
    if low <= -_HUGE:
        return "" if high >= _HUGE else f"up to {high:.4g}"
    return f"from {low:.4g}" if high >= _HUGE else f"{low:.4g} to {high:.4g}"


def option_rows(world: World) -> list[Row]:
    """Returns a row of each option: its name, its value in this world, what it does."""
    defaults = default_env_params(world.cls)
    rows = []
    for name, argument in world.cls.get_predefined_arguments().items():
        text, value = argument.help, world.options.get(name, argument.default)
        text += f" [{argument.unit}]" if argument.unit else ""
        text += f"; one of {', '.join(map(str, argument.choices))}" if argument.choices else ""
        if name in defaults and value != defaults[name]:
            text += f" (default: {show(defaults[name])})"
        rows.append((name, show(value), text))
    return rows


def changed_options(world: World) -> dict[str, str]:
    """Returns the options that a world's recipe sets, by name, where they differ from those of its class."""
    defaults = default_env_params(world.cls)
    return {name: show(value) for name, value in world.options.items() if name in defaults and value != defaults[name]}


def show(value: Any) -> str:
    """Returns an option's value, short."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {show(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, str):
        return value or "''"
    return getattr(value, "__qualname__", None) or str(value)


def class_texts(cls: type[Env]) -> list[tuple[type[Env], list[str]]]:
    """Returns what an environment's class says of itself, and each class between it and `Env` after it: paragraphs.

    Sections for programmers are left out.
    """
    texts = []
    for one in cls.__mro__:
        if issubclass(one, Env) and one is not Env and one.__dict__.get("__doc__"):
            text = inspect.cleandoc(one.__doc__ or "")
            section = _SECTION.search(text)
            texts.append((one, paragraphs_of(text[: section.start()] if section else text)))
    return texts


def paragraphs_of(text: str) -> list[str]:
    """Returns the paragraphs of a docstring. One that begins with four spaces is meant to stay as it is."""
    return [paragraph.rstrip() for paragraph in text.strip("\n").split("\n\n") if paragraph.strip()]


def wrapped(paragraph: str, width: int, indent: str = "") -> list[str]:
    """Returns the lines of a paragraph, of which those of a list stay apart, and those of a block as they are."""
    if paragraph.startswith("    "):
        return [indent + line for line in paragraph.splitlines()]
    lines: list[str] = []
    for line in paragraph.splitlines():
        if lines and not line.startswith((" ", "* ", "- ")) and not lines[-1].startswith(" "):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    found = []
    for line in lines:
        deeper = indent + " " * (2 if line.startswith(("* ", "- ")) else len(line) - len(line.lstrip()))
        found += textwrap.wrap(line, max(width, 40), initial_indent=indent, subsequent_indent=deeper) or [""]
    return found


def text_table(
    head: Row, groups: Mapping[str, Sequence[Row]], width: int, right: Sequence[int] = (), below: bool = False
) -> Iterator[str]:
    """Yields the lines of rows in groups, each below its title, with columns aligned over all of them.

    Columns without a text are left out. The last one is wrapped, or stands below where there is no room beside.

    Args:
        head: What the columns are called; none for no such line.
        groups: Rows by title; an empty title is left out.
        width: Columns of the terminal.
        right: Columns that are aligned to the right.
        below: Let the last column stand below in any case.
    """
    rows = [row for group in groups.values() for row in group]
    shown = [i for i in range(len(rows[0])) if any(row[i] for row in rows)]
    *beside, last = shown
    widths = {i: max(len(row[i]) for row in (rows if not head else [head, *rows])) for i in shown}
    begin = 2 + sum(2 + widths[i] for i in beside)
    room = width - begin
    is_below = below or room < min(_NARROW, widths[last])
    for title, group in [("", [head] if head else []), *groups.items()]:
        if title:
            yield title
        for row in group:
            cells = [f"{row[i]:>{widths[i]}}" if i in right else f"{row[i]:<{widths[i]}}" for i in beside]
            line = "  " + "  ".join(cells)
            if not is_below:
                first, *more = textwrap.wrap(row[last], room) or [""]
                yield f"{line}  {first}".rstrip()
                yield from (" " * begin + part for part in more)
            else:
                yield line.rstrip()
                if row is not head:
                    yield from textwrap.wrap(row[last], max(width - 6, 40), initial_indent=" " * 6, subsequent_indent=" " * 6)


def markdown_table(head: Row, rows: Sequence[Row]) -> list[str]:
    """Returns the lines of a table of Markdown; columns without a text are left out."""
    shown = [i for i in range(len(head)) if any(row[i] for row in rows)]
    lines = [[head[i] for i in shown], ["---"] * len(shown), *([row[i] for i in shown] for row in rows)]
    return ["| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in line) + " |" for line in lines]
