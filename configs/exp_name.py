"""`"b{batch_size}{?augment:_aug}"` -> `"b256_aug"`. Pure functions over strings.

`{key}` is a value, the `.` of a float written `_` (0.001 -> `0_001`). `{?key:yes:no}` is `yes` where the value is true for
Python, else `no`, either of which may hold more braces; without `:no` it is nothing, without both the key's name or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class TemplateError(ValueError):
    """A template that cannot be filled in: wrong braces, or a value whose truth is not defined."""


def fill(template: str, lookup: Callable[[str], Any]) -> str:
    """Returns the template with every brace replaced.

    Args:
        template: See the module's docstring.
        lookup: Gives the value of a key, a slash path, or raises what it likes.

    Raises:
        TemplateError: When braces do not pair up, or a conditional has too many parts.
    """
    text, rest = "", template
    while rest:
        before, brace, after = rest.partition("{")
        if "}" in before:
            raise TemplateError("'}' without '{'")
        text += before
        if not brace:
            break
        inside, rest = _take(after)
        text += _conditional(inside[1:], lookup) if inside.startswith("?") else format_value(lookup(inside))
    return text


def format_value(value: Any) -> str:
    """Returns a value as names write it.

    Raises:
        TemplateError: For a group.
    """
    if isinstance(value, Mapping):
        raise TemplateError("a group has no text; expected the path of a value")
    return str(value).replace(".", "_") if isinstance(value, float) else str(value)


def _take(text: str) -> tuple[str, str]:
    """Splits what stands after a `{` at its `}`."""
    depth = 1
    for position, letter in enumerate(text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth == 0:
            return text[:position], text[position + 1 :]
    raise TemplateError("'{' without '}'")


def _conditional(inside: str, lookup: Callable[[str], Any]) -> str:
    parts = _split_at_colons(inside)
    if len(parts) > 3:
        raise TemplateError(f"'{{?{inside}}}' has more than two branches; expected {{?key:yes:no}}")
    key, yes, no = [*parts, *[parts[0], ""][len(parts) - 1 :]]
    value = lookup(key)
    try:
        chosen = bool(value)
    except Exception as error:
        raise TemplateError(f"'{key}' is neither true nor false: {error}") from error
    return fill(yes if chosen else no, lookup)


def _split_at_colons(text: str) -> list[str]:
    """Splits at the colons that stand outside of all braces."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == ":" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
