"""Which options a group has: those that its class declares, and its scalar values."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from configs.command_line import SCALARS, Option
from configs.errors import WrongTypeError
from configs.fields import Field
from configs.values import is_group, is_plain_node

#: Keys of a group that belong to the config language and to no class.
RESERVED_KEYS = ("cls", "exp_name", "extra_exp_name")

#: Options that every group has.
NAME_OPTIONS = (
    Option("exp_name", type=str, help="this group's part of the experiment's name"),
    Option("extra_exp_name", type=str, help="follows this group's part of the experiment's name"),
)


def declared_arguments(cls: Any) -> dict[str, Any]:
    """Returns the arguments that a class declares in `predefined_arguments`, by name; of a name given twice the last."""
    return {argument.name: argument for argument in getattr(cls, "predefined_arguments", ())}


def class_defaults(cls: Any) -> dict[str, tuple[Any, str]]:
    """Returns the defaults of a class's options, each with its origin: those of its `default_params`, else of its arguments."""
    arguments = declared_arguments(cls)
    defaults = {
        name: (argument.default, "class default")
        for name, argument in arguments.items()
        if not getattr(argument, "required", False)
    }
    own = getattr(cls, "default_params", None)
    if isinstance(own, Mapping):
        defaults.update({key: (value, "default_params") for key, value in own.items() if key in arguments or not arguments})
    return defaults


def argument_option(argument: Any, value: Any) -> Option | None:
    """Returns the option of a declared argument; None where its type is none that a command line can give.

    Args:
        argument: An object with the fields of `Argument`.
        value: What the config has for it, or its default; tells the type where the argument does not.
    """
    kind = getattr(argument, "type", None)
    element = getattr(argument, "element_type", None)
    if kind is None or (kind is list and element is None):
        kind, element = infer_type(value)
        if kind is ...:
            return None
    if kind not in (*SCALARS, list, None):
        return None
    texts = {name: getattr(argument, name, "") or "" for name in ("help", "unit")}
    choices = getattr(argument, "choices", None)
    required = bool(getattr(argument, "required", False))
    return Option(argument.name, kind, element, choices=None if choices is None else tuple(choices), required=required, **texts)


def value_options(values: Mapping[str, Any], prefix: str = "") -> Iterator[Option]:
    """Yields an option for each local value of a type that a command line can give, nested ones included."""
    for key, value in values.items():
        if is_plain_node(value):
            yield from value_options(value, f"{prefix}{key}/")
        elif not is_group(value):
            kind, element = infer_type(value)
            if kind is not ...:
                yield Option(prefix + key, kind, element)


def signature_options(cls: Any) -> Iterator[Option]:
    """Yields an option for each scalar keyword of a class that declares nothing, such as an optimiser of torch.

    They are offered, not filled in: what is not given stays the class's own business.
    """
    if not isinstance(cls, type) or hasattr(cls, "predefined_arguments"):
        return
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return
    named = {kind.__name__: kind for kind in SCALARS}
    for parameter in parameters:
        annotation = parameter.annotation
        kind, element = named.get(annotation, annotation) if isinstance(annotation, str) else annotation, None
        if kind not in SCALARS:
            kind, element = infer_type(parameter.default)
        if kind in (*SCALARS, list) and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            text = "" if parameter.default is parameter.empty else f"{parameter.default!r} unless given"
            yield Option(parameter.name, kind, element, help=text)


def infer_type(value: Any) -> tuple[Any, Any]:
    """Returns the type and element type of the option that a value makes; `(None, None)` for a `Field`, `...` for no option."""
    if isinstance(value, Field):
        return None, None
    for kind in (bool, float, int, str):
        if isinstance(value, kind):
            return kind, None
    if isinstance(value, (list, tuple)) and value:
        kinds = {infer_type(item)[0] for item in value}
        if len(kinds) == 1 and kinds <= set(SCALARS):
            return list, kinds.pop()
        if kinds == {float, int}:
            return list, float
    return ..., None


def check_declared(argument: Any, value: Any, where: str) -> Any:
    """Returns a value in the type that its argument declares: an int becomes a float, a tuple a list; nothing else is cast.

    Raises:
        WrongTypeError: For another type, or none of the choices.
    """
    kind, choices = getattr(argument, "type", None), getattr(argument, "choices", None)
    if value is None:
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    elif kind is list and isinstance(value, tuple):
        value = list(value)
    elif isinstance(kind, type) and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        raise WrongTypeError(where, argument.name, value, kind.__name__)
    if choices is not None and value not in choices:
        raise WrongTypeError(where, argument.name, value, "one of " + ", ".join(map(repr, choices)))
    return value
