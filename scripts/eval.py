"""Evaluate an experiment on seeded episodes. `--help` lists the flags."""

from muse.cli.evaluate import main

if __name__ == "__main__":
    raise SystemExit(main())
