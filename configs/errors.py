"""What a user can get wrong in a config or on its command line. Each class builds its own message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence


class ConfigError(Exception):
    """A wrong config or command line. The message alone tells what to mend; the process ends with `exit_status`.

    Args:
        where: Path of the group (`"model/action_decoder"`, `""` for the root), or of a file.
        what: What came, and what was expected.
        hint: What to try.
    """

    exit_status = 2

    def __init__(self, where: str, what: str, hint: str = "") -> None:
        self.where = where or "root"
        super().__init__(f"{self.where}: {what}" + (f"\n  try: {hint}" if hint else ""))


class UnknownOptionError(ConfigError):
    """An option that the group does not have.

    Args:
        path: Path of the group.
        flag: What came, with its dashes.
        flags: What the group has, with dashes.
        others: Flags of the other groups, each with how a command line opens those that have it.
        script_flags: Flags of the script, which stand before the config.
    """

    def __init__(
        self,
        path: str,
        flag: str,
        flags: Iterable[str],
        others: Mapping[str, Sequence[str]] | None = None,
        script_flags: Iterable[str] = (),
    ) -> None:
        self.path, self.flag, self.flags = path, flag, list(flags)
        what = f"no option '{flag}'"
        if flag in set(script_flags):
            super().__init__(path, f"{what}; it is a flag of the script", f"move '{flag}' before the config")
            return
        elsewhere = flag if flag in (others or {}) else nearest(flag, others or {}) if not nearest(flag, self.flags) else ""
        if elsewhere:
            owners = (others or {})[elsewhere]
            groups = " and ".join(owner or "the root" for owner in owners)
            super().__init__(path, f"{what}; {groups} has '{elsewhere}'", f"{owners[0]} {elsewhere}".strip())
        else:
            super().__init__(path, f"{what}{suggest(flag, self.flags)}")


class StrayValueError(ConfigError):
    """A value that no option takes; `switch` says that the option before it is a bool."""

    def __init__(self, where: str, token: str, after: str, switch: bool = False) -> None:
        hint = (
            f"--no-{after.lstrip('-')} where it is to be false"
            if switch
            else "options begin with --"
            if token.startswith("-")
            else ""
        )
        super().__init__(where, f"'{token}' belongs to no option" + (f" (after '{after}')" if after else ""), hint)


class MissingValueError(ConfigError):
    """An option at the end, or before another, without the value that it takes."""

    def __init__(self, where: str, flag: str, kind: str) -> None:
        super().__init__(
            where,
            f"no value after '{flag}'; expected {kind}",
            f"{flag} VALUE (a value that begins with -- or % is written {flag}=VALUE)",
        )


class WrongValueError(ConfigError):
    """A value on the command line that does not read as the option's type."""

    def __init__(self, where: str, flag: str, token: str, kind: str, hint: str = "") -> None:
        super().__init__(where, f"'{flag}' got '{token}'; expected {kind}", hint)


class WrongTypeError(ConfigError):
    """A value of the recipe, or of a `Field`, that contradicts the type or the choices that the class declares."""

    def __init__(self, where: str, name: str, value: object, expected: str) -> None:
        super().__init__(where, f"option '{name}' is {value!r} ({type(value).__name__}); expected {expected}")


class NotAnOptionError(ConfigError):
    """A `Field` without a type, set on the command line, whose value is none that a command line can give."""

    def __init__(self, where: str, flag: str, value: object) -> None:
        super().__init__(where, f"'{flag}' cannot be set here: it is a Field whose value is of type {type(value).__name__}")


class UnknownGroupError(ConfigError):
    """A `%group` that is not there and is given no source either."""

    def __init__(self, where: str, token: str, names: Iterable[str]) -> None:
        known = [token[: len(token) - len(token.lstrip("%"))] + name for name in names]
        hint = "" if nearest(token, known) else f"{token} SOURCE adds one (a config file or a dotted class)"
        super().__init__(where, f"no group '{token}'{suggest(token, known)}", hint)


class ValueAsGroupError(ConfigError):
    """A `%name SOURCE` where `name` is a value."""

    def __init__(self, where: str, name: str, value: object) -> None:
        super().__init__(where, f"'{name}' is no group but a value ({type(value).__name__})", f"--{name} VALUE")


class StrayPercentError(ConfigError):
    """A `%` without a name, or with more `%` than groups are open."""

    def __init__(self, token: str, opened: str) -> None:
        if not token.strip("%"):
            super().__init__("command line", f"'{token}' has no name; expected '{token}group'", "--option=% where it is a value")
        else:
            parent = token[1:]
            now = f"'{opened}' is open" if opened else "no group is open"
            super().__init__(
                "command line",
                f"'{token}' opens a group inside a '{'%' * (len(parent) - len(parent.lstrip('%')))}group', but {now}",
            )


class SourceError(ConfigError):
    """Something given as a config, or as the source of a group, that cannot be one."""

    def __init__(self, where: str, source: str, problem: str, near: str = "") -> None:
        expected = "expected a path to a config file, a dotted module with an 'export', or a dotted class"
        super().__init__(where, f"'{source}' {problem}" + (f"; did you mean '{near}'?" if near else f"; {expected}"))


class RecipeError(ConfigError):
    """A config file, or a module that it imports, that raises."""

    def __init__(self, file: str, line: int | None, error: BaseException) -> None:
        place = f"{file}, line {line}" if line else file
        super().__init__(place, str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}")


class ExportError(ConfigError):
    """A config without an `export`, or with one of the wrong kind."""

    def __init__(self, file: str, export: object = None, missing: bool = False, group: bool = False) -> None:
        expected = (
            "expected export = d(cls=..., ...) or a ConfigNode subclass"
            if group
            else "expected export = d(...) or a ConfigNode subclass"
        )
        got = (
            "no 'export'"
            if missing
            else f"'export' is {export!r} ({type(export).__name__})"
            if not group
            else "'export' has no 'cls'"
        )
        super().__init__(file, f"{got}; {expected}")


class FolderError(ConfigError):
    """An `exp=<folder>` that is not there, is none, or is damaged."""

    def __init__(self, folder: str, problem: str, near: str = "") -> None:
        super().__init__(f"exp={folder}", problem + (f"; did you mean 'exp={near}'?" if near else ""))


class UnknownKeyError(ConfigError):
    """A key of a recipe that its class does not declare and that nothing reads."""

    def __init__(self, where: str, key: str, names: Iterable[str], group: bool = False) -> None:
        super().__init__(where, f"no {'group' if group else 'option'} '{key}'{suggest(key, names)}")


class AnchorError(ConfigError):
    """A `Field` whose anchor leads nowhere."""

    def __init__(self, where: str, anchor: str, problem: str, names: Iterable[str] = ()) -> None:
        super().__init__(where, f"Field('{anchor}') {problem}{suggest(anchor, names, few=0)}")


class CycleError(ConfigError):
    """Fields that wait for one another."""

    def __init__(self, cycle: Sequence[str]) -> None:
        super().__init__(cycle[0], "fields wait for one another: " + " -> ".join(cycle))


class FunctionError(ConfigError):
    """A function of a recipe (of a `Field`, a name, `process_params`) that raises."""

    def __init__(self, where: str, what: str, error: BaseException) -> None:
        super().__init__(where, f"{what} raised {type(error).__name__}: {error}")


class ExpNameError(ConfigError):
    """An experiment name that cannot be made."""

    def __init__(self, where: str, template: str, problem: str, key: str = "", names: Iterable[str] = ()) -> None:
        super().__init__(where, f"exp_name '{template}': {problem}{suggest(key, names, few=0) if key else ''}")


class MergeError(ConfigError):
    """`&` with a `ConfigNode` subclass."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            "a ConfigNode cannot be merged with &",
            f"a subclass: class Mine({name}): default_params = {name}.default_params & d(...)",
        )


class ReplacementError(ConfigError):
    """`group & replace(...)`, which would merge what is to be replaced."""

    def __init__(self) -> None:
        super().__init__(
            "replace(...)",
            "stands on the right of & itself; expected it under the group's name",
            "base & d(model=replace(d(cls=..., ...)))",
        )


def nearest(name: str, names: Iterable[str]) -> str:
    """Returns the one of `names` that is nearest to `name`, dashes and `%` aside, or an empty string."""
    bare = {candidate.lstrip("-%"): candidate for candidate in names}
    near = difflib.get_close_matches(name.lstrip("-%"), list(bare), n=1)
    return bare[near[0]] if near else ""


def suggest(name: str, names: Iterable[str], few: int = 12) -> str:
    """Returns `"; did you mean 'x'?"`, or all names where they are few and none is near."""
    names = list(names)
    near = nearest(name, names)
    if near:
        return f"; did you mean '{near}'?"
    return f"; there are: {', '.join(names)}" if 0 < len(names) <= few else ""
