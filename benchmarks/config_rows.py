"""How long a recipe takes to resolve."""

from __future__ import annotations

import argparse

from report import Row
from timing import Effort, interleave

from configs.config_node import ConfigNode
from configs.loading import load_config

NAME = "resolve"
RECIPE = "cfgs/exp_point_mass/bc_rnn.py"
#: At least so many: whole groups are added until they are there.
OPTIONS = 200


def measure_resolve(quick: bool) -> list[Row]:
    """Times the resolving of a recipe of `cfgs` with 200 options, every number of it set on the command line.

    The recipe gets train datasets from `cfgs/dataset/np_seq.py` until there are so many options. The reference declares the
    same options in one `argparse` parser, flat, without defaults, groups or fields, and parses the same flags.
    """
    sources: dict[str, str] = {}
    while len(_options(root := _open(sources, []))) < OPTIONS:
        sources[f"dataset_train_{len(sources) + 1}"] = "cfgs/dataset/np_seq.py"
    tokens, flags = _flags(root, sources)
    declared = [(f"--{path}/{option.name}", option.type) for path, option in _options(root)]

    def muse() -> str:
        return load_config(RECIPE, tokens)[1].get_exp_name()

    def bare() -> argparse.Namespace:
        parser = argparse.ArgumentParser()
        for flag, kind in declared:
            parser.add_argument(flag, type=kind if kind in (int, float) else str)
        return parser.parse_args(flags)

    timing = interleave({"muse": muse, "bare": bare}, Effort(samples=20, turns=20).quickened(quick))
    against = (
        f"a bare argparse of the same {len(declared)} options, {len(flags) // 2} of them given; imports aside on both sides."
    )
    return [Row.of(f"{NAME}: cfgs with {OPTIONS} options", "ms", "<= 10", against, timing, "muse", "bare")]


def _open(sources: dict[str, str], tokens: list[str]) -> ConfigNode:
    return load_config(RECIPE, [*tokens, *(word for name, source in sources.items() for word in (f"%{name}", source))])[1].node


def _options(root: ConfigNode) -> list[tuple[str, object]]:
    return [(node.path, option) for node in root.walk() for option in node.options.values()]


def _flags(root: ConfigNode, sources: dict[str, str]) -> tuple[list[str], list[str]]:
    """Returns the command line that sets every number to what it is, in the language of `configs` and flat."""
    tokens: list[str] = []
    flags: list[str] = []
    for node in root.walk():
        tokens += ["%" * len(node.names) + node.name] if node.names else []
        tokens += [sources[node.name]] if node.name in sources else []
        for option in node.options.values():
            value = node.values.get(option.name)
            if option.type in (int, float) and value is not None:
                tokens += [f"--{option.name}", str(value)]
                flags += [f"--{node.path}/{option.name}", str(value)]
    return tokens, flags
