"""Experiment names of groups, from their templates and functions."""

from __future__ import annotations

from typing import Any

from configs.config_node import ConfigNode
from configs.errors import ConfigError, ExpNameError, FunctionError
from configs.exp_name import TemplateError, fill
from configs.resolving import Resolver, paths_below


def name_of(resolver: Resolver, node: ConfigNode) -> str:
    """Returns a group's own part of the experiment's name, without its children's."""
    return "".join(_fill(resolver, node, key) for key in ("exp_name", "extra_exp_name"))


def _fill(resolver: Resolver, node: ConfigNode, key: str) -> str:
    template = node.values.get(key)
    if template is None or template == "":
        return ""
    if callable(template):
        return _call_name(resolver, node, template)
    if not isinstance(template, str):
        raise ExpNameError(
            node.path, str(template), f"a {type(template).__name__}; expected a text or a function of (params, full_params)"
        )

    def lookup(path: str) -> Any:
        found = resolver.look(node, path)
        if not found:
            raise ExpNameError(node.path, template, f"no value '{path}'", path, paths_below(node))
        return found[0]

    try:
        return fill(template, lookup)
    except TemplateError as error:
        raise ExpNameError(node.path, template, str(error)) from error


def _call_name(resolver: Resolver, node: ConfigNode, function: Any) -> str:
    try:
        name = function(resolver.view_node(node), resolver.view_node(resolver.root))
    except ConfigError:
        raise
    except Exception as error:
        raise FunctionError(node.path, "exp_name", error) from error
    if not isinstance(name, str):
        raise ExpNameError(
            node.path, getattr(function, "__name__", "function"), f"gave {name!r} ({type(name).__name__}); expected a text"
        )
    return name
