"""`--x 1 %group --y 2 %%sub --z 3` -> a tree of tokens, and tokens -> values. Pure functions over lists of strings."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from configs.errors import MissingValueError, StrayPercentError, StrayValueError, UnknownOptionError, WrongValueError

#: Types that a command line can give.
SCALARS = (float, int, str, bool)


@dataclass
class Segment:
    """The tokens of one opened group.

    Attributes:
        name: The group's name; empty for the root.
        tokens: What stands before the first group inside it.
        children: Groups opened inside, in order; one that was reopened stands here again.
    """

    name: str = ""
    tokens: list[str] = field(default_factory=list)
    children: list[Segment] = field(default_factory=list)


@dataclass(frozen=True)
class Option:
    """Something that the command line can set in a group.

    Attributes:
        name: The key, with slashes where it is nested (`"optimizer/lr"`).
        type: One of `SCALARS`, `list`, or None: the type of the value that a `Field` would have.
        element_type: Of what a list is.
        help, unit, choices, required: As the class declares them.
    """

    name: str
    type: Any = None
    element_type: Any = None
    help: str = ""
    unit: str = ""
    choices: tuple[Any, ...] | None = None
    required: bool = False

    @property
    def flag(self) -> str:
        """The option with its dashes."""
        return "--" + self.name

    @property
    def kind(self) -> str:
        """What its values are, in words."""
        if self.choices is not None:
            return "one of " + ", ".join(map(str, self.choices))
        words = {float: "a number", int: "a whole number", str: "a text", bool: "no value", None: "a value"}
        plurals = {float: "numbers", int: "whole numbers", str: "texts", bool: "true or false, each"}
        return plurals[self.element_type] if self.type is list else words[self.type]


@dataclass(frozen=True)
class Untyped:
    """What was given for an option whose type is not known before its `Field` is."""

    words: tuple[str, ...]
    negated: bool


def split(tokens: Iterable[str]) -> Segment:
    """Returns the tree of opened groups.

    Raises:
        StrayPercentError: For a `%` without a name, or a `%%name` where no `%name` is open.
    """
    root = Segment()
    opened = [root]
    for token in tokens:
        if not token.startswith("%"):
            opened[-1].tokens.append(token)
            continue
        name = token.lstrip("%")
        depth = len(token) - len(name)
        if not name or depth > len(opened):
            raise StrayPercentError(token, "%" * (len(opened) - 1) + opened[-1].name if len(opened) > 1 else "")
        segment = Segment(name)
        del opened[depth:]
        opened[-1].children.append(segment)
        opened.append(segment)
    return root


def join(segment: Segment, depth: int = 0) -> list[str]:
    """Returns the tokens whose `split` is `segment`."""
    tokens = ["%" * depth + segment.name] if depth else []
    tokens += segment.tokens
    for child in segment.children:
        tokens += join(child, depth + 1)
    return tokens


def append(first: Segment, second: Segment) -> Segment:
    """Returns `first` followed by `second`: options of the second's root reach the root, its groups are reopened."""
    return Segment("", first.tokens + second.tokens, first.children + second.children)


def to_text(tokens: Iterable[str]) -> str:
    """Returns tokens as one text, quoted as a shell would read it."""
    return shlex.join(tokens)


def from_text(text: str) -> list[str]:
    """Reverses `to_text`.

    Raises:
        ValueError: When a quotation is not closed.
    """
    return shlex.split(text)


def is_flag(token: str) -> bool:
    """Whether a token is an option rather than a value: values begin with no two dashes."""
    return token.startswith("--")


def parse(tokens: Sequence[str], options: Mapping[str, Option], where: str) -> dict[str, Any]:
    """Returns the values that a group's own tokens give, by option name; of an option given twice the last.

    Args:
        tokens: Without `%` and without a source.
        options: What the group has, by name.
        where: Its path, for messages.

    Raises:
        ConfigError: For an option that is unknown, lacks its value, or has a wrong one; for a value without an option.
    """
    values: dict[str, Any] = {}
    position, last, switch = 0, "", False
    while position < len(tokens):
        token = tokens[position]
        if not is_flag(token) or token == "--":
            raise StrayValueError(where, token, last, switch)
        flag, has_value, inline = token.partition("=")
        found = match(flag[2:], options)
        if found is None:
            raise UnknownOptionError(where, flag, [option.flag for option in options.values()])
        option, negated = found
        position += 1
        words = [inline] if has_value else []
        if not has_value and option.type is not bool and not negated:
            room = len(tokens) if option.type in (list, None) else min(position + 1, len(tokens))
            while position < room and not is_flag(tokens[position]):
                words.append(tokens[position])
                position += 1
        values[option.name] = Untyped(tuple(words), negated) if option.type is None else read(option, words, negated, where)
        last, switch = flag, option.type is bool and not negated
    return values


def match(flag: str, options: Mapping[str, Option]) -> tuple[Option, bool] | None:
    """Returns the option that `flag` (without dashes) names, and whether `no-` or `no_` stands before it."""
    if flag in options:
        return options[flag], False
    head, slash, tail = flag.rpartition("/")
    for before, rest in ((head + slash, tail), ("", flag)):
        if rest.startswith(("no-", "no_")):
            option = options.get(before + rest[3:])
            if option is not None and option.type in (bool, None):
                return option, True
    return None


def read(option: Option, words: Sequence[str], negated: bool, where: str) -> Any:
    """Returns the value of an option from the words after it.

    Raises:
        ConfigError: When there are none, too many, or wrong ones.
    """
    flag = option.flag
    if option.type is bool:
        if words:
            raise WrongValueError(where, flag, " ".join(words), option.kind, f"{flag} for true, --no-{option.name} for false")
        return not negated
    if not words:
        raise MissingValueError(where, flag, option.kind)
    if option.type is list:
        return [convert(option, option.element_type, word, where) for word in words]
    if len(words) > 1:
        raise StrayValueError(where, words[1], flag)
    return convert(option, option.type, words[0], where)


def convert(option: Option, kind: Any, word: str, where: str) -> Any:
    """Returns one word as a value of type `kind`; `None` is None for every type but text.

    Raises:
        WrongValueError: When it is none, or not one of the choices.
    """
    hint = ""
    value: Any = None
    try:
        if kind is bool:
            value = {"true": True, "false": False}[word.lower()]
        elif kind is str or word != "None":
            value = kind(word)
    except (ValueError, KeyError):
        if kind is int:
            hint = _whole(word)
        raise WrongValueError(where, option.flag, word, option.kind, hint) from None
    if option.choices is not None and value not in option.choices:
        raise WrongValueError(where, option.flag, word, option.kind)
    return value


def _whole(word: str) -> str:
    try:
        number = float(word)
    except ValueError:
        return ""
    return str(int(number)) if number.is_integer() else ""
