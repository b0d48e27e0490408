"""Which array of Muse's data goes where in a dataset of another project."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from muse.datasets.formats.columns import Column, renamed_meta
from muse.datasets.formats.episode_data import EpisodeData, role_by_name, roles_of
from muse.datasets.formats.fates import Fate, choose_names
from muse.datasets.formats.kept import Kept
from muse.datasets.formats.npz import check_storable
from muse.datasets.formats.selection import select


class Plan:
    """Arrays, their places and the episodes to write.

    Args:
        data: The episodes.
        names: Places by name, where they are not to be the usual ones; empty: left out.
        splits: Only the episodes of these; all when empty.
        default: Returns the usual place of a name, from its name, role and whether it is a one-time name; empty: left out.

    Attributes:
        places: Place of every name, empty for those that are left out.
        selection: The episodes.
        roles: Role of every name, empty for those that have none.

    Raises:
        OptionError: For an override of a name that is not there.
        DataError: For a split that is not there, no episodes, places that are taken, arrays that only pickle could write.
    """

    def __init__(
        self, data: EpisodeData, names: Mapping[str, str], splits: Iterable[str], default: Callable[[str, str, bool], str]
    ) -> None:
        self.data, self.overrides, self.where = data, names, data.where
        self.selection = select(data.ends, data.meta.get("splits", {}), splits, data.where)
        listed = roles_of(data.meta)
        self.roles = {name: listed.get(name, "" if listed else guess_role(name)) for name in data.steps}
        self.roles |= {name: listed.get(name, role_by_name(name)) for name in data.onetime}
        self.places = choose_names(
            self.roles, lambda name: default(name, self.roles[name], name in data.onetime), names, data.where
        )
        for name, place in self.places.items():
            if place:
                check_storable(self.array(name), f"{data.where}: '{name}'")

    def array(self, name: str) -> np.ndarray:
        """Returns the whole array of a name."""
        return self.data.steps[name] if name in self.data.steps else self.data.onetime[name]

    def values(self, name: str, place: int) -> np.ndarray:
        """Returns the rows `(T, *shape)` of a name in the chosen episode number `place`, or its value for a one-time name."""
        if name in self.data.onetime:
            return self.data.onetime[name][self.selection.numbers[place], ...]
        return self.data.steps[name][self.selection.begins[place] : self.selection.ends[place]]

    def rows(self, name: str, begin: int, end: int) -> np.ndarray:
        """Returns rows `(end - begin, *shape)` of a step name, counted over the chosen episodes."""
        ends = np.cumsum(self.selection.lengths)
        parts = []
        for place in range(int(np.searchsorted(ends, begin, side="right")), len(ends)):
            first = int(ends[place] - self.selection.lengths[place])
            if first >= end:
                break
            parts.append(self.values(name, place)[max(begin - first, 0) : end - first])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def there(self) -> list[str]:
        """Returns the names that are not left out."""
        return [name for name, place in self.places.items() if place]

    def kept(self) -> Kept:
        """Returns what is to be kept beside the arrays."""
        columns = {}
        for name in self.there():
            array, place = self.array(name), self.places[name]
            columns[place] = Column(place, name, array.shape[1:], array.dtype, name in self.data.onetime)
        left_out = {name: "" for name, place in self.places.items() if not place}
        meta = renamed_meta(self.selection.meta(self.data.meta), left_out)
        return Kept(meta, columns, len(self.selection.numbers), int(self.selection.lengths.sum()))

    def fates(self, meta_place: str, notes: Mapping[str, str] | None = None, left_out: str = "as told") -> list[Fate]:
        """Returns what becomes of every name.

        Args:
            meta_place: Where the meta data goes.
            notes: What changes besides the name, by name.
            left_out: Why names are left out that are not overridden.
        """
        notes = notes or {}
        fates = []
        for name, place in self.places.items():
            array = self.array(name)
            note = f"{array.shape} {array.dtype}" if place else "as told" if name in self.overrides else left_out
            fates.append(Fate(name, place, note + (f"; {notes[name]}" if name in notes else "")))
        listed, counts = self.selection.splits, self.selection.counts
        fates += [
            Fate(f"split {name}", f"{meta_place}, split {name}", f"{len(listed[name])} of {counts[name]} episodes")
            for name in listed
        ]
        return [*fates, Fate("_meta", meta_place)]


def guess_role(name: str) -> str:
    """Returns the role of a step name where no spec says it."""
    if name == "action":
        return "action"
    if name in ("reward", "terminated", "truncated", "success"):
        return "output_observation"
    is_other = name.startswith(("goal/", "next/", "policy_", "info/")) or name in ("timestamp", "states", "dones")
    return "" if is_other else "observation"
