"""Everything that is wrong with a dataset at once: what loading would refuse, and what is suspicious."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.numbers import rows_not_finite
from muse.datasets.tools.findings import Finding, place_of, spell_place
from muse.datasets.tools.opening import open_data
from muse.datasets.tools.suspicions import CHECKS

_LISTED = 5


def check_file(path: str | os.PathLike[str], progress: Callable[[int, int], Any] = lambda done, total: None) -> list[Finding]:
    """Returns what is wrong with a dataset, defects first. Raises nothing for what is in the file, however broken it is.

    Args:
        path: The dataset.
        progress: Is told how many checks are done, of how many.
    """
    file = str(path)
    errors: list[DataError] = []
    try:
        data = open_data(path, on_error=errors.append)
    except DataError as error:
        return _defects([*errors, error], file)
    except OSError as error:
        return [Finding(file, "", f"cannot be read: {error.strerror or error}", is_defect=True)]
    defects = _defects(errors, file) + _not_finite(data, file)
    # What is broken is not judged besides, and where no episode is known nothing is.
    sound = _without(data, {finding.name for finding in defects})
    warnings = [] if len(data.ends) or defects else [Finding(file, "", "no episodes")]
    for i, check in enumerate(CHECKS if len(data.ends) else ()):
        warnings += list(check(sound, file))
        progress(i + 1, len(CHECKS))
    found = defects + warnings
    return [finding for finding in found if finding.is_defect] + [finding for finding in found if not finding.is_defect]


def _defects(errors: list[DataError], file: str) -> list[Finding]:
    """Returns a defect for each error. A name that was left out for one is not missing besides."""
    found: list[Finding] = []
    for finding in (Finding.of_error(error, file) for error in errors):
        is_consequence = finding.text == "missing" and any(finding.name == other.name for other in found)
        if not is_consequence and finding not in found:
            found.append(finding)
    return found


def _not_finite(data: EpisodeData, file: str) -> list[Finding]:
    """Returns a defect for each name with NaN or infinity: how many, and the first places."""
    found = []
    for name, array in {**data.steps, **data.onetime}.items():
        rows = list(rows_not_finite(array))
        if not rows:
            continue
        places = [place_of(data, row, name) for row, _ in rows[:_LISTED]]
        # Without a usable `done` no episode is known.
        first = [spell_place(*place) for place in places if place[0] is not None] or [f"first in row {rows[0][0]}"]
        more = ", ..." if len(rows) > _LISTED else ""
        numbers = sum(count for _, count in rows)
        text = f"NaN or infinity: {numbers} numbers in {len(rows)} of {len(array)} rows, {', '.join(first)}{more}"
        hint = f"muse data filter, --where 'all(finite(\"{name}\"))'"
        found.append(Finding(file, name, text, "finite numbers", hint, *places[0], is_defect=True))
    return found


def _without(data: EpisodeData, names: set[str]) -> EpisodeData:
    steps, onetime = ({name: array for name, array in kind.items() if name not in names} for kind in (data.steps, data.onetime))
    return EpisodeData(steps, onetime, data.ends, data.meta, data.where)
