"""Speed of the spine, each part beside a bare reference that does all that is needed and nothing more.

Prints a table and writes `latest.json` and `spine.md`. Muse and its reference take turns, on the same threads, in the same
types, on the same data; a ratio is one of medians over several samples. Takes some minutes on two cores.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import acting_rows
import config_rows
import dataset_rows
import script
import training_rows
from report import Page

PAGE = Page("The spine, beside bare references", "make bench", "spine.md", "latest.json")

#: What can be measured, by the name that `--only` takes.
MEASUREMENTS: dict[str, script.Measurement] = {
    dataset_rows.NAME: dataset_rows.measure_get_batch,
    training_rows.NAME: training_rows.measure_train_step,
    training_rows.BF16_NAME: training_rows.measure_bf16,
    acting_rows.ACTION_NAME: acting_rows.measure_get_action,
    acting_rows.VECTOR_NAME: acting_rows.measure_vector_env,
    config_rows.NAME: config_rows.measure_resolve,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes; returns the exit status."""
    return script.measure(PAGE, MEASUREMENTS, script.parse(__doc__, MEASUREMENTS, arguments))


if __name__ == "__main__":
    sys.exit(main())
