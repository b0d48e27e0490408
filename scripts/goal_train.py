"""Train a model, with rollouts in its environment along the way. `--help` lists the flags."""

from muse.cli.main import run_script

if __name__ == "__main__":
    raise SystemExit(run_script("goal_train"))
