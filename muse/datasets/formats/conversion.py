"""From any form of a dataset to any other: read, write, and one report of both."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from muse.datasets.dataset import DataError
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.format import Format, Tell, tell_nobody
from muse.datasets.formats.guard import read_guarded
from muse.datasets.formats.native import NativeFormat
from muse.datasets.formats.registry import format_names, get_format
from muse.datasets.formats.work import Work, identify
from muse.utils.errors import OptionError, nearest
from muse.utils.files import overlap


def convert(
    source: Path,
    target: Path,
    reader: Format,
    writer: Format,
    names: Mapping[str, str],
    splits: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    progress: Callable[[str], Tell] = lambda stage: tell_nobody,
) -> tuple[int, list[Fate]]:
    """Converts a dataset. One that was killed goes on where it was when it is called again with the same arguments.

    Args:
        reader, writer: Of the source's form and of the target's.
        names: The name in the target by the name in the source, where it is not to be the usual one; empty: left out.
        splits: Only the episodes of these; all when empty.
        options: What reader and writer were built from, and whatever else decides what comes of it (the version of Muse).
        progress: Gives what is told of every episode in the stage `read` and in the stage `write`.

    Returns:
        The number of episodes, and what became of every name.

    Raises:
        OptionError, DataError, MissingExtraError: As `Format.read` and `Format.write`.
    """
    if not os.path.lexists(source):
        raise DataError(
            str(source), "no such file or folder", f"a dataset ({reader.name})", "the path is relative to the working folder"
        )
    if problem := overlap(source, target):
        raise OptionError(str(target), problem, "two places")
    _check_replaceable(target)
    from_native, to_native = isinstance(reader, NativeFormat), isinstance(writer, NativeFormat)
    made_from = {
        "source": identify(source), "forms": [reader.name, writer.name], "names": dict(names),
        "splits": list(splits), "options": dict(options or {}),
    }  # fmt: skip
    with Work.beside(target, made_from) as work:
        reading, writing = work.stage("read"), work.stage("write")
        if from_native:
            data, _ = reader.read(source, {}, (), reading, progress("read"))
            written = writer.write(target, data, names, splits, writing, progress("write"))
            return _count(data, splits), written
        on_read = dict(names) if to_native else {name: "" for name, new in names.items() if not new}
        data, read = read_guarded(reader, source, on_read, splits, reading, progress("read"))
        reading.save()
        if to_native:
            writer.write(target, data, {}, (), writing, progress("write"))
            return len(data.ends), read
        written = writer.write(target, data, _names_between(names, read, str(source)), (), writing, progress("write"))
        return len(data.ends), joined_fates(read, written)


def _check_replaceable(target: Path) -> None:
    """Raises `OptionError` for a folder that holds something else than a dataset: all of it would be deleted."""
    if not target.is_dir() or not any(target.iterdir()):
        return
    if not any(cls.may_replace(target) for cls in map(get_format, format_names())):
        raise OptionError(str(target), "a folder of something else than a dataset", "a dataset to replace, or a new name")


def _count(data: Any, splits: Sequence[str]) -> int:
    listed = data.meta.get("splits", {})
    return len({number for name in splits for number in listed[name]}) if splits else len(data.ends)


def _names_between(names: Mapping[str, str], read: Sequence[Fate], where: str) -> dict[str, str]:
    """Returns the target's names by Muse's, for names of the source."""
    became = {fate.source: fate.became for fate in read}
    between = {}
    for name, new in names.items():
        if not new:
            continue
        if not became.get(name):
            got = "no such name to map" + nearest(name, became) if name not in became else "left out, whatever it is called"
            raise OptionError(f"{where}: '{name}'", got, "one of " + ", ".join(fate.source for fate in read if fate.became))
        between[became[name]] = new
    return between


def joined_fates(read: Sequence[Fate], written: Sequence[Fate]) -> list[Fate]:
    """Returns what became of every name of the source on its way over Muse's names, and of what Muse added."""
    left = {fate.source: fate for fate in written}
    used, joined = set(), []
    for first in read:
        second = left.get(first.became)
        if second is None:
            # Left out, or none of the arrays: an attribute, what follows from the episodes.
            joined.append(first)
            continue
        used.add(second.source)
        if second.became or first.source != "(not there)":
            by = f"by way of '{first.became}'" if first.became not in (first.source, second.became) else ""
            # What both say is said once: shape and type, which seldom change on the way.
            told = first.note.split("; ")
            more = [note for note in second.note.split("; ") if not any(one.startswith(note) for one in told)]
            joined.append(Fate(first.source, second.became, "; ".join(filter(None, (*told, *more, by)))))
    return [*joined, *(fate for fate in written if fate.source not in used)]
