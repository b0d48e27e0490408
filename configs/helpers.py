"""All that scripts see of `configs`. The header of a script:

from configs.helpers import load_base_config, get_script_parser
parser = get_script_parser()
parser.add_argument("config", type=str, help="common params for all modules.")
local_args, unknown = parser.parse_known_args()
params, root = load_base_config(local_args.config, unknown)
exp_name = root.get_exp_name()
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from configs.errors import ConfigError
from configs.script_parser import ScriptParser

if TYPE_CHECKING:
    from configs.config_root import ConfigRoot

_log = logging.getLogger(__name__)


def get_script_parser(**kwargs: Any) -> argparse.ArgumentParser:
    """Returns an `argparse` parser for a script with an argument `config`.

    Script flags stand before the config, never abbreviated; `parse_known_args` returns what stands after it as it is.
    `--exp=X` counts as the config `exp=X`. `--help` before the config prints the script's help.

    Args:
        kwargs: Those of `argparse.ArgumentParser`.
    """
    return ScriptParser(**kwargs)


def find_configs(pattern: str) -> list[str]:
    """Returns the paths of the config files that match a pattern, sorted, as `load_base_config` takes them.

    Args:
        pattern: `cfgs/env/*.py`: under the current directory and, of `cfgs/...`, in the installed package too.
    """
    from configs.sources import find_files

    return find_files(pattern)


def load_base_config(
    config: str | os.PathLike[str], args: Sequence[str], reads: Iterable[str] | None = None
) -> tuple[Any, ConfigRoot]:
    """Loads a config for a script, and behaves towards the user as `argparse` does.

    Args:
        config: Path of a config file (`cfgs/...` is found in the installed package too), or `exp=<experiment folder>`; of the
            latter, each value that no longer resolves as it did is logged as a warning.
        args: What stood after the config, as `parse_known_args` returned it.
        reads: Names of root keys and groups that the script reads, `dataset_train_*` for many; any other key of the root that
            no field and no name reads is an error. None leaves the root unchecked; groups are checked always.

    Returns:
        The values, an `AttrDict` that is the caller's, and the root, which has `get_exp_name()`.

    Raises:
        SystemExit: With status 2 after a user's mistake, whose message goes to stderr; with 0 after `--help`.
    """
    # Imported here: they bring attrdict, which takes seconds, and a script's `--help` needs none of it.
    from configs.loading import HelpRequested, load_config

    try:
        params, root = load_config(config, args, reads)
        for change in root.get_changes():
            _log.warning("changed since the experiment: %s", change)
    except HelpRequested as help_text:
        sys.stdout.write(f"{help_text}\n")
        raise SystemExit(0) from None
    except ConfigError as error:
        _log.debug("traceback", exc_info=True)
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(error.exit_status) from error
    return params, root
