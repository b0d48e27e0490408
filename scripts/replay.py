"""Replay a dataset's actions in its environment and compare. `--help` lists the flags."""

from muse.cli.main import run_script

if __name__ == "__main__":
    raise SystemExit(run_script("replay"))
