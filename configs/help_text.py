"""The help of a config's tree: every option of every group."""

from __future__ import annotations

from configs.command_line import Option
from configs.config_node import ConfigNode
from configs.fields import Field, Overridden
from configs.options import declared_arguments
from configs.values import locate, qualified_name

_TYPES = {float: "float", int: "int", str: "str", bool: "bool", None: "as its Field"}
#: Longest value shown [letters].
_WIDTH = 40


def tree_help(root: ConfigNode, name: str) -> str:
    """Returns the options of all groups, with type, value, unit and help, one line each.

    Args:
        root: The opened tree; its fields need not be resolved.
        name: What the user calls the config.
    """
    lines = [
        f"Options of {name}. Those of a group follow its %name; one that is true is switched off with --no-NAME.",
        "The values shown are those of the recipe with this command line.",
    ]
    for node in root.walk():
        title = node.spelling or "(root)"
        cls = f"  {qualified_name(node.cls)}" if isinstance(node.cls, type) else ""
        lines += ["", title + cls]
        rows = [(f"  {_spell(option, node)}", _value(option, node), _notes(option)) for option in node.options.values()]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        lines += [f"{first:<{widths[0]}}  {second:<{widths[1]}}  {third}".rstrip() for first, second, third in rows]
    return "\n".join(lines)


def _spell(option: Option, node: ConfigNode) -> str:
    if option.type is bool:
        return f"--no-{option.name}" if _current(option, node) is True else option.flag
    if option.type is list:
        return f"{option.flag} {_TYPES[option.element_type]} ..."
    return f"{option.flag} {_TYPES[option.type]}"


def _current(option: Option, node: ConfigNode) -> object:
    found = locate(node.values, option.name)
    return found[0][found[1]] if found else ""


def _value(option: Option, node: ConfigNode) -> str:
    value = _current(option, node)
    if option.required and value == "" and option.name in declared_arguments(node.cls):
        return "required"
    if isinstance(value, Overridden):
        return "= " + " ".join(value.given.words)
    if isinstance(value, Field):
        return "= from " + ", ".join(value.anchors)
    if callable(value):
        return "= " + getattr(value, "__name__", "function")
    text = f"= {value!r}" if value != "" else ""
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."


def _notes(option: Option) -> str:
    unit = f"[{option.unit}]" if option.unit else ""
    choices = "one of " + ", ".join(map(str, option.choices)) if option.choices is not None else ""
    return "; ".join(filter(None, [" ".join(filter(None, [option.help, unit])), choices]))
