"""Options that hold several groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muse.utils.abstract import is_group
from muse.utils.errors import OptionError


def named_groups(value: Any, where: str) -> dict[str, Mapping[str, Any]]:
    """Returns the groups of an option by name, in order; of a list by number, and nothing for None.

    Those of a dict can be reached from the command line: `%dataset_train %%data_preprocessors/returns --gamma 0.9`.

    Raises:
        OptionError: When it is something else.
    """
    if value is None:
        return {}
    is_whole = is_group(value) or not isinstance(value, (Mapping, list, tuple))
    named = {} if is_whole else dict(value.items() if isinstance(value, Mapping) else ((str(i), v) for i, v in enumerate(value)))
    for key, group in named.items():
        if not is_group(group):
            raise OptionError(
                f"{where}/{key}", f"a {type(group).__name__} without a 'cls'", "a group: a dict with its class under 'cls'"
            )
    if is_whole:
        raise OptionError(
            where, "one group" if is_group(value) else repr(value), "groups by name, d(name=d(cls=...)), or a list of them"
        )
    return named
