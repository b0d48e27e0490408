"""`muse load_batches`: does the data load, and how fast."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

from muse.cli.acting import positive_int
from muse.cli.common import load_config, make_parser, run
from muse.experiments.assemble import make_datasets, make_spec
from muse.experiments.logger import logging_to
from muse.utils.attrdicts import flatten
from muse.utils.errors import OptionError

_DESCRIPTION = """Load batches from a recipe's dataset, print their shapes and time them.

Example:
  python scripts/tests/load_batches.py cfgs/exp_point_mass/bc_rnn.py"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION)
    parser.add_argument(
        "--dataset_name", default="dataset_train", metavar="GROUP", help="the dataset's group (default: dataset_train)"
    )
    parser.add_argument("--num_batches", type=positive_int, default=1000, metavar="N", help="batches to load (default: 1000)")
    parser.add_argument(
        "--torch_device", default=None, metavar="DEVICE", help="load to this torch device (default: numpy arrays)"
    )
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    params, _, _ = load_config(args, unknown, reads=(args.dataset_name,))
    if args.dataset_name not in params:
        raise OptionError(
            f"--dataset_name {args.dataset_name}",
            "no such group",
            "one of " + ", ".join(key for key in params if key.startswith("dataset_")),
        )
    with logging_to(debug=args.debug):
        dataset = make_datasets({args.dataset_name: params[args.dataset_name]}, args.dataset_name, make_spec(params))[0]
        sampler = dataset.get_sampler(params.get("seed", 0) or 0)
        inputs, outputs = dataset.draw_batch(sampler, torch_device=args.torch_device)
        print(f"{dataset.get_num_episodes()} episodes, {len(dataset)} windows")
        for side, batch in (("inputs", inputs), ("outputs", outputs)):
            for name, value in flatten(batch).items():
                print(f"  {side:<8}{name:<24}{tuple(value.shape)!s:<20}{value.dtype}")
        seconds = []
        for _ in range(args.num_batches):
            start = time.perf_counter()
            dataset.draw_batch(sampler, torch_device=args.torch_device)
            seconds.append(time.perf_counter() - start)
    middle = statistics.median(seconds)
    print(f"{args.num_batches} batches: median {middle * 1e6:.0f} us, {1 / middle:.0f} batches/s")
    return 0
