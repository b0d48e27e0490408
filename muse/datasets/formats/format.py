"""The contract of another project's datasets, both ways. The loop that calls it (`muse convert`):

with Work.beside(target, made_from) as work:
    data, fates = source_format.read(source, names, splits, work.stage("read"), progress)
    fates = target_format.write(target, data, names, splits, work.stage("write"), progress)

`muse.datasets.formats.conversion.convert` is that loop, `muse.datasets.formats.registry` finds the classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from attrdict import AttrDict

from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.work import Work
from muse.utils.abstract import BaseClass

#: Is told how many episodes are done, and how many there are.
Tell = Callable[[int, int], Any]


def tell_nobody(done: int, total: int) -> None:
    """Does nothing."""


class Format(BaseClass, ABC):
    """Reads and writes the datasets of another project.

    A subclass declares its options as `predefined_arguments`; `muse convert` offers them all. It imports what it needs of others inside
    its methods, through `muse.utils.optional.require`.

    Every name of the source is in the report (`Fate`), left out or not. A default table gives the names, the caller's `names` override it
    (`choose_names`). What the other project has no place for is kept in a place of our own, where its own reader allows one, so that
    Muse's data comes back from there as it was: names, types, one-time names, `_meta` with its spec, fingerprint and splits.

    Args:
        params: The options of the class.
        finite: Refuse numbers that are NaN or infinite where they are read. A check, which lists them all, lets them in.
    """

    #: What `--to` and messages call it.
    name: str = ""
    #: Endings of its files and folders; empty for folders that have none, which are known by what is in them.
    suffixes: tuple[str, ...] = ()
    #: Modules of others that reading imports.
    libraries: tuple[str, ...] = ()

    def __init__(self, params: Mapping[str, Any] | None = None, finite: bool = True) -> None:
        #: What it was built with, to build it again elsewhere.
        self.options, self.finite = dict(params or {}), finite
        self.read_predefined_params(AttrDict(self.options))

    @classmethod
    @abstractmethod
    def recognizes(cls, path: Path) -> bool:
        """Returns whether what lies at `path` looks like one of its datasets. Opens as little as it can, and raises nothing."""

    @classmethod
    def may_replace(cls, path: Path) -> bool:
        """Returns whether a folder is one of its datasets beyond doubt, and holds nothing else that would be lost with it."""
        return path.name.endswith(cls.suffixes) if cls.suffixes else cls.recognizes(path)

    @abstractmethod
    def read(
        self, path: Path, names: Mapping[str, str], splits: Iterable[str], work: Work, progress: Tell = tell_nobody
    ) -> tuple[EpisodeData, list[Fate]]:
        """Reads a dataset.

        Args:
            path: The file or folder.
            names: Muse's name by the name there, where it is not to be the usual one; empty: left out.
            splits: Only the episodes of these; all when empty.
            work: Where the arrays lie. Episodes that it already has (`work.done`) are not read again.
            progress: Is told of every episode.

        Returns:
            The episodes, arrays mapped from `work`; and what became of every name there.

        Raises:
            OptionError: For a name to map, or an option, that does not fit the dataset.
            DataError: For whatever is wrong in it: says where, down to the episode and the row. Nothing in it is run.
            MissingExtraError: Without the library that it takes.
        """

    @abstractmethod
    def write(
        self,
        path: Path,
        data: EpisodeData,
        names: Mapping[str, str],
        splits: Iterable[str],
        work: Work,
        progress: Tell = tell_nobody,
    ) -> list[Fate]:
        """Writes a dataset; a crash leaves what was at `path` before, or all of the new one.

        Args:
            path: The file or folder; what is there is replaced.
            data: Episodes; arrays may be larger than memory.
            names: The name there by Muse's name, where it is not to be the usual one; empty: left out.
            splits: Only the episodes of these; all when empty.
            work: Where parts lie until all are there. Those that it already has are not made again.
            progress: Is told of every episode.

        Returns:
            What became of every name.

        Raises:
            OptionError: For a name to map, or an option, that does not fit the data.
            DataError: For data that the other project cannot hold.
            MissingExtraError: Without the library that it takes.
        """
