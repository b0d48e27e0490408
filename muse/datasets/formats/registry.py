"""The forms of datasets that Muse reads and writes: by name, by ending, by what lies in a folder."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.format import Format
from muse.datasets.formats.guard import read_guarded
from muse.datasets.formats.native import NativeFormat
from muse.datasets.formats.work import Work
from muse.datasets.loading import read_file, read_raw
from muse.utils.errors import OptionError, nearest

#: Module and class by name. A name whose module is not there is not offered.
_CLASSES = {
    "npz": ("muse.datasets.formats.native", "NpzFormat"),
    "muse": ("muse.datasets.formats.native", "MuseFormat"),
    "robomimic": ("muse.datasets.formats.robomimic", "RobomimicFormat"),
    "lerobot": ("muse.datasets.formats.lerobot", "LeRobotFormat"),
    "zarr": ("muse.datasets.formats.zarr", "ZarrFormat"),
    "minari": ("muse.datasets.formats.minari", "MinariFormat"),
    "episodes": ("muse.datasets.formats.episodes", "EpisodesFormat"),
}


def format_names() -> list[str]:
    """Returns the names of all formats, those of Muse first."""
    return [name for name, (module, _) in _CLASSES.items() if importlib.util.find_spec(module) is not None]


def get_format(name: str) -> type[Format]:
    """Returns the class of a format.

    Raises:
        OptionError: For a name that is none.
    """
    names = format_names()
    if name not in names:
        raise OptionError(f"format '{name}'", f"no such format{nearest(name, names)}", "one of " + ", ".join(names))
    module, cls = _CLASSES[name]
    return getattr(importlib.import_module(module), cls)


def find_format(path: str | os.PathLike[str], is_source: bool = False) -> type[Format]:
    """Returns the class of the format of what lies at `path`, or is to lie there, from its ending or from what is in it.

    Args:
        is_source: It is to be read, so that there must be something.

    Raises:
        DataError: When neither tells.
    """
    path = Path(path)
    classes = [get_format(name) for name in format_names()]
    for cls in classes:
        if path.name.endswith(cls.suffixes):
            return cls
    if not path.exists() and is_source:
        raise DataError(str(path), "no such file or folder", "a dataset", "the path is relative to the working folder")
    if not path.exists():
        known = ", ".join(suffix for cls in classes for suffix in cls.suffixes)
        got = f"a name that ends in '{path.suffix}'" if path.suffix else "a name without an ending"
        raise DataError(
            str(path),
            got,
            f"one that ends in {known}",
            "for a folder of another form, tell muse convert which: --from or --to NAME",
        )
    found = [cls for cls in classes if cls.recognizes(path)]
    if len(found) == 1:
        return found[0]
    kinds = ", ".join(cls.name for cls in found or classes)
    got = f"a {'folder' if path.is_dir() else 'file'} of no form that Muse knows" if not found else f"like {kinds}"
    raise DataError(str(path), got, f"one of {kinds}", "muse convert --from NAME, if it is one of them")


def open_data(
    path: str | os.PathLike[str],
    form: str = "",
    options: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
    splits: Iterable[str] = (),
    work: Work | None = None,
    finite: bool = True,
) -> EpisodeData:
    """Reads a dataset of any form.

    Args:
        form: Name of the form; found out when empty.
        options: Of the form's class.
        names: Muse's name by the name there, where it is not to be the usual one; empty: left out.
        splits: Only the episodes of these; all when empty.
        work: Where the arrays lie that are not mapped from the dataset itself; in memory when None.
        finite: Refuse numbers that are NaN or infinite.

    Raises:
        OptionError: For a form, an option or a name to map that is not there.
        DataError: For what is wrong in the dataset, and where no form is found out.
        MissingExtraError: Without the library that the form takes.
    """
    path = Path(path)
    cls = get_format(form) if form else find_format(path, is_source=True)
    if issubclass(cls, NativeFormat) and not names and not tuple(splits):
        return read_file(path) if finite else read_raw(path)
    return read_guarded(cls(options, finite), path, names or {}, splits, work or Work())[0]
