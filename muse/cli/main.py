"""The console command `muse`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from muse.utils.errors import nearest

#: Verb, the module that does it, and what it is for.
VERBS = {
    "goal_train": ("muse.cli.goal_train", "train a model, with rollouts in its environment along the way"),
    "train": ("muse.cli.train", "train a model from data alone"),
    "eval": ("muse.cli.evaluate", "evaluate an experiment on seeded episodes"),
    "eval_video": ("muse.cli.eval_video", "evaluate, and save what was seen: a video, or a dataset of the pictures alone"),
    "collect": ("muse.cli.collect", "roll out a policy and save the episodes as a dataset"),
    "interactive_collect": (
        "muse.cli.interactive_collect",
        "drive by hand, or take over from a policy, and keep the good episodes",
    ),
    "collect_kinesthetic": ("muse.cli.collect_kinesthetic", "lead a robot by hand, let it repeat that, and save what it did"),
    "compare": ("muse.cli.compare", "compare two experiments on the same initial states"),
    "serve": ("muse.cli.serve", "answer observations of robots and other processes with an experiment's actions"),
    "resolve": ("muse.cli.resolve", "print what a recipe and a command line come to, and where each value comes from"),
    "load_batches": ("muse.cli.load_batches", "load batches from a recipe's dataset and time them"),
    "convert": ("muse.cli.convert", "convert a dataset from or to another project's form, with a report of every name"),
    "replay": ("muse.cli.replay", "replay a dataset's actions in its environment: does it still lead where it led"),
    "data": ("muse.cli.data.main", "look at datasets, check them and rework them: muse data info, check, plot, video, split ..."),
    "envs": ("muse.cli.envs.main", "list the worlds that there are; of one, its tables, options, picture and speed"),
    "doctor": ("muse.cli.doctor", "print versions and devices, what works here, and how to mend what does not"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `muse <verb> ...` and returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(_usage())
        return 0
    if words[0] == "--version":
        import muse

        print(f"muse {muse.__version__}")
        return 0
    verb = words[0].replace("-", "_")
    if verb not in VERBS:
        print(f"muse: no verb '{words[0]}'{nearest(verb, VERBS)}; expected one of {', '.join(VERBS)}", file=sys.stderr)
        return 2
    return run_verb(verb, words[1:], f"muse {words[0]}")


def run_script(verb: str) -> int:
    """Runs a verb for `scripts/<verb>.py` and returns its exit status."""
    return run_verb(verb, sys.argv[1:], sys.argv[0])


def run_verb(verb: str, words: Sequence[str], prog: str) -> int:
    """Imports the module of a verb and runs it.

    Threads of OpenMP are told to sleep while they wait, unless the user has said otherwise: by default they spin, and on a
    machine that does something else beside, training a small model runs several times slower. This must be said before torch is
    imported, and here nothing has imported it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return importlib.import_module(VERBS[verb][0]).main(words, prog=prog)


def _usage() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {text}" for verb, (_, text) in VERBS.items()]
    return (
        "usage: muse <verb> [flags] <recipe.py | exp=folder> [--option value] [%group --option value] ...\n\n"
        "verbs:\n"
        + "\n".join(lines)
        + "\n\n`muse <verb> --help` explains one; `--help` after a recipe lists every option that the recipe has."
    )
