"""`muse goal_train`: train with rollouts."""

from __future__ import annotations

from collections.abc import Sequence

from muse.cli.common import make_parser, run
from muse.cli.training import add_training_flags, train

_DESCRIPTION = """Train a model, with rollouts in its environment along the way.

Everything lands in experiments/<name>/: config, checkpoints (models/), metrics.jsonl, loss.csv, TensorBoard events, plots.
Example:
  python scripts/goal_train.py --no_wandb cfgs/exp_point_mass/bc_rnn.py %model %%action_decoder --hidden_size 256"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION)
    add_training_flags(parser)
    parser.add_argument("--no_env", action="store_true", help="build no environment: learn from data alone")
    return run(lambda args, unknown: train(args, unknown, with_env=not args.no_env), parser, argv)
