"""Compare two experiments on the same initial states. `--help` lists the flags."""

from muse.cli.compare import main

if __name__ == "__main__":
    raise SystemExit(main())
