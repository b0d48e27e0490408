"""One thing that a check has found."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData


@dataclass(frozen=True)
class Finding:
    """Something wrong, or suspicious, in a dataset.

    Attributes:
        file: Where it was found.
        name: The array; empty for the whole file.
        text: What was found.
        expected: What was expected instead; may be empty.
        hint: What to try; may be empty.
        episode: Number of the first episode with it; None where it is not in one.
        row: Row in that episode, from 0; None where it is not in one.
        is_defect: Loading would refuse it. Otherwise it is a warning.
    """

    file: str
    name: str
    text: str
    expected: str = ""
    hint: str = ""
    episode: int | None = None
    row: int | None = None
    is_defect: bool = False

    @classmethod
    def of_error(cls, error: DataError, file: str) -> Finding:
        """Returns what loading raises as a defect."""
        inside = error.where.removeprefix(file).lstrip(":/ ")
        name = re.fullmatch(r"(?:\S+: )?'([^']+)'(.*)", inside)
        rest = name[2].strip(": ") if name else inside
        text = f"{rest}: {error.got}" if rest else error.got
        return cls(file, name[1] if name else "", text, error.expected, error.hint, is_defect=True)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        place = [f"'{self.name}'"] if self.name else []
        place += [spell_place(self.episode, self.row)] if self.episode is not None else []
        expected = f"; expected {self.expected}" if self.expected else ""
        hint = f" (try: {self.hint})" if self.hint else ""
        return f"{', '.join(place)}{': ' if place else ''}{self.text}{expected}{hint}"


def spell_place(episode: int, row: int | None) -> str:
    """Returns words for an episode, and a row in it."""
    return f"episode {episode}" if row is None else f"episode {episode} row {row}"


def place_of(data: EpisodeData, row: int, name: str = "") -> tuple[int | None, int | None]:
    """Returns the episode of a row of all, and its place there; for a one-time name the episode alone."""
    if name in data.onetime:
        return row, None
    if not len(data.ends):
        return None, None
    episode = int(np.searchsorted(data.ends, row, side="right"))
    return episode, row - (int(data.ends[episode - 1]) if episode else 0)
