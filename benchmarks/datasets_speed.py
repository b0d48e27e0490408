"""Datasets beside those of robomimic and LeRobot, and beside a bare memory copy; and the memory that data larger than memory needs.

Prints a table and writes `datasets.json` and `datasets.md`. The others run in interpreters of their own, which MUSE_ROBOMIMIC_PYTHON and
MUSE_LEROBOT_PYTHON name and `make_robomimic_env.sh` and `make_lerobot_env.sh` make; without one, its rows are not measured. Takes some
minutes and 20 GB of the disk.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import memory_rows
import script
import torch
import window_rows
from report import Page

NOTES = """\
All sides read the same rows of the same made-up episodes; a batch is of random windows without padding, in shuffled order. Each side has one
thread of torch; a DataLoader with workers has 2 processes more. LeRobot counts windows that reach beyond their episode, too, and gives pictures
as floats, decoded from a video, as its training does.
"""
PAGE = Page("Datasets", "make bench-datasets", "datasets.md", "datasets.json", [*NOTES.splitlines(), ""])

#: What can be measured, by the name that `--only` takes.
MEASUREMENTS: dict[str, script.Measurement] = {
    window_rows.LOW_NAME: window_rows.measure_low_dim,
    window_rows.IMAGE_NAME: window_rows.measure_images,
    memory_rows.NAME: memory_rows.measure_memory,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes; returns the exit status."""
    options = script.parse(__doc__, MEASUREMENTS, arguments)
    torch.set_num_threads(window_rows.THREADS)
    return script.measure(PAGE, MEASUREMENTS, options)


if __name__ == "__main__":
    sys.exit(main())
