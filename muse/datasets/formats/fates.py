"""What becomes of names when data goes from one format to another: a table that its user may override, and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from muse.datasets.dataset import DataError
from muse.utils.errors import OptionError, nearest


@dataclass(frozen=True)
class Fate:
    """What became of one name of the source.

    Attributes:
        source: The name there.
        became: The name here; empty for one that was left out.
        note: Why, or what changed besides the name.
    """

    source: str
    became: str
    note: str = ""


def choose_names(
    sources: Iterable[str], default: Callable[[str], str], overrides: Mapping[str, str], where: str
) -> dict[str, str]:
    """Returns what each source is to be called.

    Args:
        default: Gives the name of a source that is not in `overrides`.
        overrides: Names by source; an empty one leaves its source out.
        where: The file, for messages.

    Raises:
        OptionError: For an override of a name that is not there.
        DataError: Where two sources would get one name.
    """
    sources = list(sources)
    for source, target in overrides.items():
        if source not in sources:
            got = f"no such name to map{nearest(source, sources)}"
            raise OptionError(f"{where}: '{source}'", got, "one of " + ", ".join(sources))
        if target and "" in target.split("/"):
            raise OptionError(f"{where}: '{source}' -> '{target}'", "an empty part", "a path such as 'objects/position'")
    names = {source: overrides[source] if source in overrides else default(source) for source in sources}
    taken: dict[str, str] = {}
    for source, target in names.items():
        if target and target in taken:
            got = f"both '{taken[target]}' and '{source}' would become '{target}'"
            hint = f"another name for one of them (--map {source}=NAME), or none (--map {source}=)"
            raise DataError(where, got, "each name once", hint)
        taken[target] = source
    return names


def parse_names(pairs: Iterable[str], where: str) -> dict[str, str]:
    """Returns names by source from texts such as `obs/agentview_image=front`; nothing after the `=` leaves a name out.

    Args:
        where: The option they were given to, for messages.

    Raises:
        OptionError: For a text without `=` or without a source, and for a source that is there twice.
    """
    names: dict[str, str] = {}
    for pair in pairs:
        source, equals, target = pair.partition("=")
        if not equals or not source:
            raise OptionError(
                f"{where} {pair}", "no SRC=DST", "a name of the source, =, its name in the destination (or nothing)"
            )
        if source in names:
            raise OptionError(f"{where} {pair}", f"'{source}' twice", "each name once")
        names[source] = target
    return names
