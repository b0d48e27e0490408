"""Roll out a policy and save the episodes as a dataset. `--help` lists the flags."""

from muse.cli.main import run_script

if __name__ == "__main__":
    raise SystemExit(run_script("collect"))
