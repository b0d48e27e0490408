"""What Muse writes into a dataset of another project, in a place that its own reader passes over, to have its data back as it was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.columns import Column, joined_spec, leaf_of, renamed_meta
from muse.datasets.formats.episode_data import EpisodeData, check_meta
from muse.datasets.formats.fates import Fate
from muse.utils.errors import brief

_VERSION = 1


@dataclass(frozen=True)
class Kept:
    """Meta data and columns of data that Muse wrote; empty for a dataset that others made.

    Attributes:
        meta: The meta data.
        columns: The arrays, by place.
        episodes, rows: How many there were.
    """

    meta: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    episodes: int = 0
    rows: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        columns = [
            {
                "place": column.place, "name": column.name, "shape": list(column.shape), "dtype": column.dtype.str,
                "onetime": column.is_onetime,
            }
            for column in self.columns.values()
        ]  # fmt: skip
        return {"version": _VERSION, "meta": self.meta, "columns": columns, "episodes": self.episodes, "rows": self.rows}

    @classmethod
    def from_dict(cls, values: Any, where: str) -> Kept:
        """Reverses `to_dict`; None gives an empty one.

        Raises:
            DataError: For values that are none.
        """
        if values is None:
            return cls()
        try:
            if values["version"] != _VERSION:
                raise DataError(
                    where, f"version {values['version']!r}", f"version {_VERSION}", "the version of Muse that wrote it"
                )
            columns = [
                Column(str(c["place"]), str(c["name"]), tuple(map(int, c["shape"])), np.dtype(c["dtype"]), bool(c["onetime"]))
                for c in values["columns"]
            ]
            if any(column.dtype.hasobject or not column.dtype.itemsize or min(column.shape, default=0) < 0 for column in columns):
                raise ValueError("a type or shape that no array has")
            kept = {column.place: column for column in columns}
            return cls(check_meta(values["meta"], where), kept, int(values["episodes"]), int(values["rows"]))
        except (TypeError, ValueError, KeyError, SyntaxError, AttributeError) as error:
            hint = "delete it, and it is read as a dataset that others made; or write the dataset again"
            got = f"broken ({type(error).__name__}: {error})"
            raise DataError(where, got, "what Muse wrote beside the arrays", hint) from error

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Kept:
        """Returns what JSON text holds. Raises `DataError` as `from_dict`."""
        return cls.from_dict(load_json(text, where), where)

    def fits(self, lengths: np.ndarray) -> bool:
        """Whether the dataset still holds as many episodes and rows as Muse wrote."""
        return bool(self.columns) and (self.episodes, self.rows) == (len(lengths), int(lengths.sum()))

    def of_changed(self) -> Kept:
        """Returns what still holds where others have added or taken away episodes: no splits and no one-time names."""
        meta = {key: value for key, value in self.meta.items() if key != "splits"}
        return Kept(meta, {place: column for place, column in self.columns.items() if not column.is_onetime})

    def to_episodes(
        self,
        columns: Iterable[Column],
        arrays: Mapping[str, np.ndarray],
        lengths: np.ndarray,
        meta: Mapping[str, Any],
        where: str,
    ) -> EpisodeData:
        """Returns episodes of the arrays that were read, with a spec of what is there.

        Args:
            meta: `self.meta`, with splits as chosen and what the dataset says besides.
        """
        columns = list(columns)
        names = {column.name: "" for column in self.columns.values()}
        names |= {self.columns[column.place].name: column.name for column in columns if column.place in self.columns}
        meta = renamed_meta(meta, names)
        own = {(column.name, column.shape, column.dtype) for column in self.columns.values()}
        if not self.columns or own != {(column.name, column.shape, column.dtype) for column in columns}:
            meta["spec"] = joined_spec(meta, [leaf_of(column, arrays[column.name]) for column in columns])
        steps = {column.name: arrays[column.name] for column in columns if not column.is_onetime}
        onetime = {column.name: arrays[column.name] for column in columns if column.is_onetime}
        return EpisodeData(steps, onetime, np.cumsum(lengths, dtype=np.int64), meta, where)

    def fates(self, place: str, splits: Mapping[str, list[int]], counts: Mapping[str, int], fits: bool) -> list[Fate]:
        """Returns what became of the meta data, kept at `place`, and of its splits."""
        if not self.columns:
            return []
        note = "" if fits else "without splits and one-time names: others have changed the episodes since Muse wrote them"
        told = [
            Fate(f"{place}, split {name}", f"split {name}", f"{len(splits[name])} of {counts[name]} episodes") for name in splits
        ]
        return [Fate(place, "_meta", note), *told]


def load_json(text: str | bytes, where: str) -> Any:
    """Returns the value of JSON text.

    Raises:
        DataError: For what is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(where, f"no JSON ({brief(error)})", "a JSON object", "copy or download it again") from error
