"""`muse data <verb>`: datasets looked at, checked and reworked."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from muse.utils.errors import nearest

#: Verb, the module that does it, and what it is for.
VERBS = {
    "info": ("muse.cli.data.info", "what a dataset holds: names, lengths, successes, statistics, splits, sizes"),
    "check": ("muse.cli.data.check", "everything that is wrong with datasets, or suspicious, at once"),
    "plot": ("muse.cli.data.plot", "pictures of episodes, of the values of each name, of where states lie"),
    "video": ("muse.cli.data.video", "a video of the pictures in episodes"),
    "split": ("muse.cli.data.split", "write named splits, such as train and holdout, into a dataset"),
    "filter": ("muse.cli.data.filter", "a dataset of the episodes that fulfil a condition"),
    "cut": ("muse.cli.data.cut", "parts of episodes as episodes: the rows that fulfil a condition"),
    "merge": ("muse.cli.data.merge", "one dataset of several"),
    "relabel": ("muse.cli.data.relabel", "rename, drop and cast names, set roles and units, compute values anew"),
    "replay": ("muse.cli.replay", "a dataset's actions once more in its environment; the same as `muse replay`"),
}

_EXAMPLES = """Examples:
  muse data info data/mine.npz
  muse data check data/*.npz
  muse data filter data/mine.npz data/short.npz --where "success and length < 200"

Files are datasets of any form that `muse convert` reads; what is written is an .npz file or a .muse folder. `muse data <verb> --help` explains one."""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs `muse data <verb> ...` and returns its exit status."""
    words, prog = list(sys.argv[1:] if argv is None else argv), prog or "muse data"
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, VERBS))
        lines = [f"  {verb:<{width}}  {text}" for verb, (_, text) in VERBS.items()]
        print(
            f"usage: {prog} <verb> ...\n\nLook at datasets, check them and rework them.\n\nverbs:\n" + "\n".join(lines),
            end="\n\n",
        )
        print(_EXAMPLES)
        return 0
    verb = words[0].replace("-", "_")
    if verb not in VERBS:
        print(f"{prog}: no verb '{words[0]}'{nearest(verb, VERBS)}; expected one of {', '.join(VERBS)}", file=sys.stderr)
        return 2
    return importlib.import_module(VERBS[verb][0]).main(words[1:], prog=f"{prog} {words[0]}")
