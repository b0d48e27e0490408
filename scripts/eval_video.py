"""Evaluate an experiment and save what was seen: a video, or a dataset of the pictures alone. `--help` lists the flags."""

from muse.cli.main import run_script

if __name__ == "__main__":
    raise SystemExit(run_script("eval_video"))
