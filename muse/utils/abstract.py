"""Options declared beside the class that uses them.

A class derives from `BaseClass`, lists its `Argument`s and reads them in its constructor:

    class ExampleClass(BaseClass):
        predefined_arguments = [
            Argument("batch_size", type=int, default=100, help="windows in a batch"),
            Argument("horizon", type=int, default=10, help="rows in a window"),
        ]

        def __init__(self, params):
            self.read_predefined_params(params)   # now self.batch_size, self.horizon

`configs` puts every such argument on the command line of each group whose `cls` is the class. It recognises the list by its
attribute name and the fields of `Argument`, and imports nothing from here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeGuard

from muse.utils.errors import OptionError, nearest

#: Keys of a group that belong to the config language and to no class.
RESERVED_KEYS = ("cls", "exp_name", "extra_exp_name")


@dataclass(frozen=True)
class Argument:
    """One option of a class: an `argparse` argument that is also readable from a config.

    Args:
        name: The option's name, an identifier; the attribute on the instance and the key in the config.
        type: `int`, `float`, `str`, `bool` make it a command-line option; `list` too, when `element_type` says of what. `None`
            takes any value (a callable, a class, a nested group), from a config only.
        default: The value when the config has none. Never changed; mutable defaults are copied for each instance.
        help: What it does, one line.
        unit: Physical unit, where it has one (`"m"`, `"rad"`, `"s"`).
        choices: The only values allowed.
        required: No default: the config must give it.
        element_type: For `type=list`, the type of its elements.

    Raises:
        OptionError: When the name is no identifier or the default contradicts the type.
    """

    name: str
    type: Any = None
    default: Any = None
    help: str = ""
    unit: str = ""
    choices: tuple[Any, ...] | None = None
    required: bool = False
    element_type: Any = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise OptionError(f"Argument '{self.name}'", "not an identifier", "letters, digits and underscores")
        if self.default is not None:
            object.__setattr__(self, "default", self.convert(self.default, "default of"))

    def convert(self, value: Any, where: str = "") -> Any:
        """Returns `value` in the declared type; an int becomes a float where one is declared, nothing else is cast.

        Raises:
            OptionError: When the type or the choice is wrong.
        """
        label = f"{where} option '{self.name}'".strip()
        if value is None or self.type is None:
            converted = value
        elif self.type is float and isinstance(value, int) and not isinstance(value, bool):
            converted = float(value)
        elif self.type is list and isinstance(value, (list, tuple)):
            converted = list(value)
        elif isinstance(self.type, type) and (not isinstance(value, self.type) or (self.type is int and isinstance(value, bool))):
            raise OptionError(label, f"{value!r} ({type(value).__name__})", self.type.__name__)
        else:
            converted = value
        if self.choices is not None and converted is not None and converted not in self.choices:
            raise OptionError(label, repr(value), "one of " + ", ".join(map(repr, self.choices)))
        return converted


class BaseClass:
    """A class whose options are declared. See the module's docstring."""

    predefined_arguments: ClassVar[list[Argument]] = []

    @classmethod
    def get_predefined_arguments(cls) -> dict[str, Argument]:
        """Returns the declared arguments by name; of a name declared twice the last counts."""
        return {argument.name: argument for argument in cls.predefined_arguments}

    def read_predefined_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Sets one attribute per declared argument from `params`, or from its default.

        Args:
            params: The group's values. Never changed.

        Returns:
            The values that were set, by name.

        Raises:
            OptionError: For an undeclared key (unless the class declares nothing), a missing required one, a wrong type.
        """
        where = type(self).__name__
        arguments = self.get_predefined_arguments()
        if arguments:
            check_known(type(self), params, where)
        values = {}
        for name, argument in arguments.items():
            if name in params:
                values[name] = argument.convert(params[name], where)
            elif argument.required:
                raise OptionError(
                    where, f"no option '{name}'", f"a value for it ({argument.help})" if argument.help else "a value"
                )
            else:
                values[name] = copy.deepcopy(argument.default) if isinstance(argument.default, (list, dict)) else argument.default
            setattr(self, name, values[name])
        return values


def known_names(cls: type, params: Mapping[str, Any]) -> set[str]:
    """Returns the keys that `cls` takes from `params`.

    These are its declared arguments, the keys of the config language, and the sub-groups that a declared list names (a
    `GroupedModel` lists its sub-models in `model_order`).
    """
    arguments = {argument.name for argument in getattr(cls, "predefined_arguments", ())}
    listed: set[str] = set()
    for name in arguments:
        value = params.get(name)
        if isinstance(value, (list, tuple)):
            listed.update(item for item in value if isinstance(item, str) and is_group(params.get(item)))
    return arguments | listed | set(RESERVED_KEYS)


def is_group(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """Returns whether a config value is a group: a mapping with a `cls`."""
    return isinstance(value, Mapping) and "cls" in value


def check_known(cls: type, params: Mapping[str, Any], where: str) -> None:
    """Raises `OptionError` for the first key of `params` that `cls` does not take."""
    known = known_names(cls, params)
    for key in params:
        if key not in known:
            raise OptionError(
                where, f"no option '{key}'{nearest(key, known)}", "one of " + ", ".join(sorted(known - set(RESERVED_KEYS)))
            )


def own_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the class of a group takes from it: all but the keys of the config language and a recipe's helper values.

    Helper values (read by a `Field` or an experiment name, declared by nobody) have been checked by `configs`. A class that
    declares nothing takes everything.
    """
    declares = bool(getattr(params["cls"], "predefined_arguments", ()))
    taken = (known_names(params["cls"], params) if declares else set(params)) - set(RESERVED_KEYS)
    return {key: value for key, value in params.items() if key in taken}


def build(params: Mapping[str, Any], *args: Any, where: str, **kwargs: Any) -> Any:
    """Builds the object that a group describes: `params["cls"](own_options(params), *args, **kwargs)`.

    Args:
        params: A group, with `cls`.
        where: The group's path in the config, for the message (`"model/action_decoder"`).

    Raises:
        OptionError: When there is no class. Errors of the constructor pass through with the path added as a note.
    """
    if not is_group(params) or params["cls"] is None:
        raise OptionError(where, "no 'cls'", "a group: a dict with the class to build under 'cls'")
    cls = params["cls"]
    try:
        return cls(_like(params, own_options(params)), *args, **kwargs)
    except Exception as error:
        add_note(error, f"while building '{where}' ({cls.__module__}.{cls.__qualname__})")
        raise


def add_note(error: BaseException, note: str) -> None:
    """Adds a line to a traceback, as `BaseException.add_note` of Python 3.11 does, on 3.10 too."""
    notes = [*getattr(error, "__notes__", []), note]
    error.__notes__ = notes  # type: ignore[attr-defined]


def _like(params: Mapping[str, Any], chosen: dict[str, Any]) -> Any:
    from attrdict import AttrDict

    return AttrDict(chosen) if isinstance(params, AttrDict) else chosen


def resolve_arguments(*groups: Iterable[Argument]) -> list[Argument]:
    """Joins lists of arguments for a class with several parents; of a name given twice the last wins."""
    return list({argument.name: argument for group in groups for argument in group}.values())
