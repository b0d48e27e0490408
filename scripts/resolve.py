"""Print what a recipe and a command line come to. `--help` lists the flags."""

from muse.cli.resolve import main

if __name__ == "__main__":
    raise SystemExit(main())
