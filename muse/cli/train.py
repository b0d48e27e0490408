"""`muse train`: train from data alone."""

from __future__ import annotations

from collections.abc import Sequence

from muse.cli.common import make_parser, run
from muse.cli.training import add_training_flags, train

_DESCRIPTION = """Train a model from data alone; no environment is built and rollouts of the recipe are left out.

Example:
  python scripts/train.py --no_wandb cfgs/exp_point_mass/bc_rnn.py"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION)
    add_training_flags(parser)
    return run(lambda args, unknown: train(args, unknown, with_env=False), parser, argv)
