"""Train a model, with rollouts in its environment along the way. `--help` lists the flags."""

from muse.cli.goal_train import main

if __name__ == "__main__":
    raise SystemExit(main())
