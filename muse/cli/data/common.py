"""What the verbs of `muse data` share."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator

from muse.utils.progress import Progress

#: Work that takes no longer shows no progress [s].
_QUIET = 1.0
FILE_HELP = "a dataset, of any form that muse convert reads"
OWN_FILE_HELP = "a dataset: an .npz file or a .muse folder"


def add_target(parser: argparse.ArgumentParser) -> None:
    """Adds the destination, and the flag that lets it be replaced."""
    parser.add_argument("target", metavar="DST", help="the new dataset: a name that ends in .npz or .muse")
    parser.add_argument("--overwrite", action="store_true", help="replace DST where it is there already")


@contextlib.contextmanager
def counting(name: str, unit: str, total: int = 0, description: str = "") -> Iterator[Callable[..., None]]:
    """Shows progress, and yields what is told how many units are done, of how many where that is known later.

    What is done in a second shows none.
    """
    began = time.monotonic()
    with Progress(name, total, unit, description) as bar:

        def tell(done: int, total: int | None = None) -> None:
            bar.total = bar.total if total is None else total
            if time.monotonic() - began > _QUIET:
                bar.update(done)

        yield tell
