"""Load batches from a recipe's dataset and time them. `--help` lists the flags."""

from muse.cli.load_batches import main

if __name__ == "__main__":
    raise SystemExit(main())
