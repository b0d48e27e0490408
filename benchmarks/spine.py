"""Speed of the spine, each part beside a bare reference that does all that is needed and nothing more.

Prints a table and writes `latest.json` and `spine.md`. Muse and its reference take turns, on the same threads, in the same
types, on the same data; a ratio is one of medians over several samples. Takes some minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import acting_rows
import config_rows
import dataset_rows
import report
import training_rows

RESULTS = Path(__file__).parent / "results"

#: What can be measured, by the name that `--only` takes. Each takes `quick` and returns rows of the table.
MEASUREMENTS: dict[str, Callable[[bool], list[report.Row]]] = {
    dataset_rows.NAME: dataset_rows.measure_get_batch,
    training_rows.NAME: training_rows.measure_train_step,
    training_rows.BF16_NAME: training_rows.measure_bf16,
    acting_rows.ACTION_NAME: acting_rows.measure_get_action,
    acting_rows.VECTOR_NAME: acting_rows.measure_vector_env,
    config_rows.NAME: config_rows.measure_resolve,
}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=MEASUREMENTS,
        metavar="NAME",
        help="measure this alone, may be repeated: " + ", ".join(MEASUREMENTS),
    )
    parser.add_argument(
        "--quick", action="store_true", help="run every line once or twice, to see that it runs; its numbers say nothing"
    )
    parser.add_argument(
        "--out", type=Path, help="folder to write to; benchmarks/results for the whole table, nowhere for a part or with --quick"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes; returns the exit status, which says nothing about the targets."""
    options = parse(arguments)
    begin, rows = time.monotonic(), []
    for name in options.only or MEASUREMENTS:
        sys.stderr.write(f"{name} ...\n")
        rows += MEASUREMENTS[name](options.quick)
    seconds = time.monotonic() - begin
    print(report.text_table(rows))
    for row in rows:
        if row.note:
            print(f"{row.name}: {row.note}")
    print(*report.describe_machine(seconds), sep="\n")
    folder = options.out or (None if options.only or options.quick else RESULTS)
    if folder is not None:
        report.write(folder, rows, seconds)
        print(f"written: {folder / 'latest.json'}, {folder / 'spine.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
