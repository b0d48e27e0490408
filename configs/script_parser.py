"""The parser of a script: its flags stand before the config, the options of the config after it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from configs.errors import suggest


class ConfigTokens(list[str]):
    """What stands after the config; knows the script's flags, so that a message can tell to move one.

    Attributes:
        script_flags: The script's flags.
    """

    script_flags: tuple[str, ...] = ()


class ScriptParser(argparse.ArgumentParser):
    """An `argparse` parser whose `parse_known_args` ends at the argument `config` and leaves alone what follows."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **kwargs})

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:  # type: ignore[override]
        """Returns the script's own arguments, and what stands after the config."""
        tokens = list(sys.argv[1:] if args is None else args)
        if not any(action.dest == "config" for action in self._get_positional_actions()):
            return super().parse_known_args(tokens, namespace)
        before, config, after = self._split_at_config(tokens)
        parsed, extra = super().parse_known_args(before + (["--", config] if config is not None else []), namespace)
        if extra:
            self.error(f"unrecognized arguments: {' '.join(extra)}")
        rest = ConfigTokens(after)
        rest.script_flags = tuple(self._option_string_actions)
        return parsed, rest

    def _split_at_config(self, tokens: list[str]) -> tuple[list[str], str | None, list[str]]:
        """Returns the tokens before the config, the config or None, and those after it."""
        positionals = [action.dest for action in self._get_positional_actions()]
        wanted = positionals.index("config")
        before: list[str] = []
        position = 0
        while position < len(tokens):
            token = tokens[position]
            if token.startswith("--exp="):
                token = token[2:]
            if token == "--exp" and position + 1 < len(tokens) and token not in self._option_string_actions:
                return before, "exp=" + tokens[position + 1], tokens[position + 2 :]
            if token == "--":
                pass
            elif token.startswith("-") and token != "-":
                count = self._count_values(token, tokens[position + 1 :])
                before += tokens[position : position + 1 + count]
                position += count
            elif wanted == 0:
                return before, token, tokens[position + 1 :]
            else:
                wanted -= 1
                before.append(token)
            position += 1
        return before, None, []

    def _count_values(self, token: str, following: Sequence[str]) -> int:
        """Returns how many of the following tokens belong to the flag `token`."""
        flag, has_value, _ = token.partition("=")
        action = self._option_string_actions.get(flag)
        if action is None:
            if not token.startswith("--") and token[:2] in self._option_string_actions:
                return 0
            self.error(
                f"no flag '{flag}' of this script{suggest(flag, self._option_string_actions)}\n  options of a config stand after the config"
            )
        if has_value or action.nargs == 0:
            return 0
        if action.nargs is None:
            return 1
        if isinstance(action.nargs, int):
            return action.nargs
        count = 0
        while count < len(following) and not _ends_values(following[count]):
            count += 1
        return min(count, 1) if action.nargs == argparse.OPTIONAL else count


def _ends_values(token: str) -> bool:
    """Whether a token ends the values of a flag that takes any number: another flag, or what looks like a config."""
    return token.startswith(("-", "exp=")) or token.endswith(".py")
