"""Train a model from data alone. `--help` lists the flags."""

from muse.cli.train import main

if __name__ == "__main__":
    raise SystemExit(main())
