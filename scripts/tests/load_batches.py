"""Load batches from a recipe's dataset and time them. `--help` lists the flags."""

from muse.cli.main import run_script

if __name__ == "__main__":
    raise SystemExit(run_script("load_batches"))
